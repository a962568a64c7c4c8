using Dormouse.Worker.Running;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.Worker.Tests.Engine;

public sealed class WarmModelTests
{
    [Fact]
    public void The_built_in_model_is_a_convolution_an_activation_and_a_product()
    {
        var kernel = Enumerable.Repeat(0.125f, 9).ToArray();
        var weights = Enumerable.Range(0, 8).Select(i => i / 8f).ToArray();
        var model = Onnx.Model(
            Onnx.Graph(
                Onnx.Node("Conv", ["x", "k"], ["c"]),
                Onnx.Node("Relu", ["c"], ["r"]),
                Onnx.Node("Flatten", ["r"], ["f"]),
                Onnx.Node("MatMul", ["f", "w"], ["y"]),
                Onnx.Initialiser("k", Onnx.Float, kernel, 1, 1, 3, 3),
                Onnx.Initialiser("w", Onnx.Float, weights, 4, 2),
                Onnx.Input("x", Onnx.Float, 1, 1, 4, 4),
                Onnx.Output("y", Onnx.Float, 1, 2)));

        Assert.Equal(Convert.ToBase64String(model), Convert.ToBase64String(WarmModel.Bytes));
    }
}
