using Dormouse.Worker.Inspection;
using Dormouse.Worker.Tests.Support;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Tests.Engine;

/// <summary>The numbers the inspection refuses by are the engine's own.</summary>
public sealed class EngineLimitsTests
{
    [Fact]
    public void The_newest_file_format_that_is_accepted_loads_and_the_next_does_not()
    {
        Assert.Null(Fault(Model(ir: EngineLimits.IrVersionMax)));
        Assert.Contains("IR version", Fault(Model(ir: EngineLimits.IrVersionMax + 1)), StringComparison.Ordinal);
    }

    [Fact]
    public void The_newest_operator_set_that_is_accepted_loads_and_the_next_does_not()
    {
        Assert.Null(Fault(Model(opset: EngineLimits.OperatorSetMax)));
        Assert.Contains("opset", Fault(Model(opset: EngineLimits.OperatorSetMax + 1)), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void The_newest_machine_learning_set_that_is_accepted_loads_and_the_next_does_not()
    {
        Assert.Null(Fault(Model(more: Onnx.OperatorSet("ai.onnx.ml", EngineLimits.MachineLearningSetMax))));
        Assert.Contains("opset", Fault(Model(more: Onnx.OperatorSet("ai.onnx.ml", EngineLimits.MachineLearningSetMax + 1))), StringComparison.OrdinalIgnoreCase);
    }

    private static byte[] Model(long opset = 17, long ir = 8, params Proto[] more) => Onnx.Model(
        Onnx.Graph(Onnx.Node("Relu", ["x"], ["y"]), Onnx.Input("x", Onnx.Float, 1), Onnx.Output("y", Onnx.Float, 1)), opset, ir, more);

    private static string? Fault(byte[] model)
    {
        try
        {
            using var session = new InferenceSession(model);
            return null;
        }
        catch (OnnxRuntimeException e)
        {
            return e.Message;
        }
    }
}
