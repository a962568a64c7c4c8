using Dormouse.Protocol.Launching;
using Dormouse.Worker.Tests.Serving;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.Worker.Tests.Inspection;

/// <summary>Which models may share runs, as a throw-away worker finds out before they are deployed.</summary>
public sealed class BatchTrialTests
{
    [Fact]
    public Task A_fixed_first_dimension_of_an_input_is_refused() =>
        RefusedAsync(Onnx.Identity(Onnx.Float, 1, 3), "input 'x' FP32[1,3] has a fixed first dimension");

    [Fact]
    public Task A_scalar_is_refused() => RefusedAsync(Onnx.Identity(Onnx.Float), "input 'x' is a scalar");

    [Fact]
    public Task A_model_without_inputs_is_refused() => RefusedAsync(
        Onnx.Model(Onnx.Graph(Onnx.Node("Constant", [], ["y"], Onnx.TensorAttribute("value", Onnx.Tensor("v", Onnx.Float, new[] { 2.5f }, 1))), Onnx.Output("y", Onnx.Float, 1))),
        "takes no input");

    [Fact]
    public Task A_fixed_first_dimension_of_an_output_is_refused() => RefusedAsync(
        Onnx.Model(Onnx.Graph(Onnx.Node("ReduceMax", ["x"], ["y"], Onnx.IntAttribute("keepdims", 1)), Onnx.Input("x", Onnx.Float, "n"), Onnx.Output("y", Onnx.Float, 1))),
        "output 'y' FP32[1] has a fixed first dimension");

    [Fact]
    public Task Outputs_whose_rows_are_not_the_inputs_are_found_by_running() => RefusedAsync(
        Onnx.Model(Onnx.Graph(
            Onnx.Node("Reshape", ["x", "s"], ["y"]), Onnx.Initialiser("s", Onnx.Int64, new[] { -1L }, 1), Onnx.Input("x", Onnx.Float, "n", 3), Onnx.Output("y", Onnx.Float, "m"))),
        "do not have the inputs' rows: 'y' is [6] for two rows, and [3] and [3] for one");

    [Fact]
    public Task Rows_that_look_at_each_other_are_found_by_running_whatever_the_shapes_say() => RefusedAsync(
        Onnx.Model(Onnx.Graph(
            Onnx.Node("Softmax", ["x"], ["y"], Onnx.IntAttribute("axis", 0)), Onnx.Input("x", Onnx.Float, "batch", 3), Onnx.Output("y", Onnx.Float, "batch", 3))),
        "rows depend on each other: 'y' of a row is 1 alone and");

    [Fact]
    public Task A_model_that_runs_on_one_row_only_is_refused() => RefusedAsync(
        Onnx.Model(Onnx.Graph(
            Onnx.Node("Squeeze", ["x", "first"], ["z"]), Onnx.Initialiser("first", Onnx.Int64, new[] { 0L }, 1), Onnx.Node("Shape", ["x"], ["s"]), Onnx.Node("Reshape", ["z", "s"], ["y"]),
            Onnx.Input("x", Onnx.Float, "n", 3), Onnx.Output("y", Onnx.Float, "m", "k"))),
        "runs on one row, but not on two at once");

    [Fact]
    public Task A_sequence_of_maps_is_refused_with_what_to_do()
    {
        var labels = new Proto().Text(1, "classlabels_strings").Text(9, "pear").Text(9, "apple").Number(20, 8);
        var maps = new Proto().Message(4, new Proto().Message(1, new Proto().Message(5, new Proto().Number(1, Onnx.String).Message(2, Onnx.TensorType(Onnx.Float)))));
        return RefusedAsync(
            Onnx.Model(
                Onnx.Graph(Onnx.NodeOf("ai.onnx.ml", "ZipMap", ["x"], ["p"], labels), Onnx.Input("x", Onnx.Float, "n", 2), (12, Onnx.Value("p", maps))),
                more: Onnx.OperatorSet("ai.onnx.ml", 1)),
            "zipmap=False");
    }

    [Fact]
    public async Task What_cannot_be_run_on_made_up_inputs_is_refused_unless_its_shapes_tie_the_rows()
    {
        // Joins only one length of text, which nobody can guess.
        static byte[] Model(string rowsOut) => Onnx.Model(Onnx.Graph(
            Onnx.Node("MatMul", ["x", "w"], ["z"]), Onnx.Initialiser("w", Onnx.Float, new float[154], 77, 2), Onnx.Node("Reshape", ["z", "s"], ["y"]), Onnx.Initialiser("s", Onnx.Int64, [-1L, 2L], 2),
            Onnx.Input("x", Onnx.Float, "rows", "length"), Onnx.Output("y", Onnx.Float, rowsOut, 2)));

        await RefusedAsync(Model("others"), "no made-up input could be run to find out");
        await AcceptedAsync(Model("rows"));
    }

    [Theory]
    [InlineData(Onnx.Float)]
    [InlineData(Onnx.String)]
    [InlineData(Onnx.Int64)]
    [InlineData(Onnx.Float16)]
    [InlineData(Onnx.Bool)]
    public Task Rows_that_stand_alone_are_accepted(int type) => AcceptedAsync(Onnx.Identity(type, "n", "m"));

    [Fact]
    public async Task The_shipped_model_is_accepted() =>
        await AcceptedAsync(await File.ReadAllBytesAsync(Path.Combine(BatchingTests.Checkout(), "models", "digits", "model.onnx"), TestContext.Current.CancellationToken));

    [Theory]
    [InlineData("mobilenet-v2-fp32", null)]
    [InlineData("movie-review-v1", null)]
    [InlineData("nnsplit-en", null)]
    [InlineData("xgboost-classifier-wine", null)]
    [InlineData("super-resolution", null)]
    [InlineData("model2vec-64", null)]
    [InlineData("mnist", "fixed first dimension")]
    [InlineData("sklearn-randomforest", "sequence of maps")]
    [InlineData("silero-vad", "")]
    public async Task Real_models_are_judged(string name, string? reason)
    {
        var path = Path.Combine(BatchingTests.Checkout(), "..", "shared", "data", "onnx", name, "model.onnx");
        Assert.SkipUnless(File.Exists(path), "../shared/data/onnx is absent.");
        var model = await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
        await (reason is null ? AcceptedAsync(model) : RefusedAsync(model, reason));
    }

    private static async Task RefusedAsync(byte[] model, string reason)
    {
        using var folder = new ModelFolder(model);
        var refused = Assert.IsType<WorkerRefused>(await folder.InspectAsync(optimise: false, change: a => a with { BatchMax = 4 }));
        Assert.StartsWith("batch_max is 4, but invocations of this model cannot share a run: ", refused.Reason, StringComparison.Ordinal);
        Assert.Contains(reason, refused.Reason, StringComparison.Ordinal);
        TestContext.Current.TestOutputHelper?.WriteLine(refused.Reason);
    }

    private static async Task AcceptedAsync(byte[] model)
    {
        using var folder = new ModelFolder(model);
        var message = await folder.InspectAsync(optimise: false, change: a => a with { BatchMax = 4 });
        Assert.True(message is WorkerInspected, message.ToString());
    }
}
