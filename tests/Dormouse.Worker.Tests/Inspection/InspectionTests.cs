using System.Text;
using Dormouse.Protocol.Launching;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.Worker.Tests.Inspection;

/// <summary>What a throw-away worker says of models that cannot be served, and of some that can.</summary>
public sealed class InspectionTests
{
    private static readonly (int, Proto) X = Onnx.Input("x", Onnx.Float, 2);
    private static readonly (int, Proto) Y = Onnx.Output("y", Onnx.Float, 2);

    [Fact]
    public async Task A_sound_model_is_described_and_its_optimised_file_is_written_and_proven()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, "n", 3));

        var inspected = Assert.IsType<WorkerInspected>(await folder.InspectAsync());

        Assert.True(inspected.Optimised, inspected.Note);
        Assert.Null(inspected.Note);
        Assert.Equal("onnxruntime_onnx", inspected.Interface.Platform);
        var input = Assert.Single(inspected.Interface.Inputs);
        Assert.Equal(("x", "FP32"), (input.Name, input.Datatype));
        Assert.Equal([-1, 3], input.Shape);
        Assert.Equal("ORTM", Encoding.ASCII.GetString(await File.ReadAllBytesAsync(folder.Optimised, TestContext.Current.CancellationToken), 4, 4));
    }

    [Fact]
    public async Task Verifying_alone_writes_nothing()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));

        var inspected = Assert.IsType<WorkerInspected>(await folder.InspectAsync(optimise: false));

        Assert.False(inspected.Optimised);
        Assert.False(File.Exists(folder.Optimised));
    }

    [Fact]
    public Task An_empty_file_is_refused() => RefusedAsync([], "empty (0 bytes)");

    [Fact]
    public Task A_file_that_is_no_model_is_refused() => RefusedAsync(Encoding.UTF8.GetBytes("hello, I am a text file"), "not an ONNX model");

    [Fact]
    public Task Random_bytes_are_refused() => RefusedAsync([0xFF, 0x00, 0x12, 0x99, 0x07, 0xFF, 0xFF, 0xFF], "not an ONNX model");

    [Fact]
    public Task A_git_lfs_pointer_is_refused_with_what_to_do() =>
        RefusedAsync(Encoding.UTF8.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"), "git lfs pull");

    [Fact]
    public Task A_zip_archive_is_refused() => RefusedAsync([0x50, 0x4B, 3, 4, 0, 0, 0, 0, 0, 0], "zip archive");

    [Fact]
    public Task A_web_page_is_refused() => RefusedAsync(Encoding.UTF8.GetBytes("<!DOCTYPE html><html>sign in</html>"), "web page");

    [Fact]
    public async Task A_cut_file_is_refused_wherever_it_was_cut()
    {
        var whole = Onnx.Model(Onnx.Graph(Onnx.Node("Add", ["x", "w"], ["y"]), Onnx.Initialiser("w", Onnx.Float, new float[] { 1, 2 }, 2), X, Y));
        foreach (var length in new[] { 3, whole.Length / 2, whole.Length - 1 })
        {
            await RefusedAsync(whole[..length], "ends early");
        }
    }

    [Fact]
    public Task A_message_without_a_graph_is_refused() => RefusedAsync(new Proto().Number(1, 8).ToArray(), "not an ONNX model");

    [Fact]
    public Task A_future_file_format_is_refused_with_both_numbers() =>
        RefusedAsync(Onnx.Model(Onnx.Graph(Onnx.Node("Relu", ["x"], ["y"]), X, Y), ir: 99), "IR version 99", "up to 13");

    [Fact]
    public Task A_future_operator_set_is_refused_with_both_numbers() =>
        RefusedAsync(Onnx.Model(Onnx.Graph(Onnx.Node("Relu", ["x"], ["y"]), X, Y), opset: 99), "operator set 99 of 'ai.onnx'", "up to 26");

    [Fact]
    public Task An_unknown_operator_is_named() =>
        RefusedAsync(Onnx.Model(Onnx.Graph(Onnx.Node("Frobnicate", ["x"], ["y"]), X, Y)), "'Frobnicate'", "ai.onnx");

    [Fact]
    public Task An_operator_of_an_unknown_domain_is_named() => RefusedAsync(
        Onnx.Model(Onnx.Graph(Onnx.NodeOf("com.example", "Frobnicate", ["x"], ["y"]), X, Y), more: Onnx.OperatorSet("com.example", 1)), "'Frobnicate'", "com.example");

    [Fact]
    public Task A_graph_that_does_not_hold_together_is_refused() =>
        RefusedAsync(Onnx.Model(Onnx.Graph(Onnx.Node("Relu", ["nowhere"], ["y"]), X, Y)), "nowhere");

    [Fact]
    public Task A_sequence_as_input_is_refused()
    {
        var sequence = new Proto().Message(4, new Proto().Message(1, Onnx.TensorType(Onnx.Float, 1)));
        return RefusedAsync(
            Onnx.Model(Onnx.Graph(Onnx.Node("SequenceLength", ["s"], ["y"]), (11, Onnx.Value("s", sequence)), Onnx.Output("y", Onnx.Int64))),
            "Input 's' is a sequence");
    }

    [Fact]
    public Task An_optional_input_is_refused()
    {
        var optional = new Proto().Message(9, new Proto().Message(1, Onnx.TensorType(Onnx.Float, 1)));
        return RefusedAsync(
            Onnx.Model(Onnx.Graph(Onnx.Node("OptionalHasElement", ["o"], ["y"]), (11, Onnx.Value("o", optional)), Onnx.Output("y", Onnx.Bool))),
            "Input 'o' is an optional value");
    }

    [Fact]
    public Task A_sequence_of_tensors_as_output_is_refused()
    {
        var sequence = new Proto().Message(4, new Proto().Message(1, Onnx.TensorType(Onnx.Float, 2)));
        return RefusedAsync(Onnx.Model(Onnx.Graph(Onnx.Node("SequenceConstruct", ["x"], ["s"]), X, (12, Onnx.Value("s", sequence)))), "Output 's' is a sequence");
    }

    [Fact]
    public Task An_element_type_that_the_protocol_lacks_is_refused() => RefusedAsync(Onnx.Identity(Onnx.Complex64, 2), "element type");

    [Fact]
    public async Task Graphs_nested_without_end_are_refused()
    {
        var graph = Onnx.Graph(Onnx.Node("Relu", ["x"], ["y"]), X, Y);
        for (var depth = 0; depth < 200; depth++)
        {
            graph = Onnx.Graph(Onnx.Node("If", ["x"], ["y"], Onnx.GraphAttribute("then_branch", graph)), X, Y);
        }

        await RefusedAsync(Onnx.Model(graph), "nests graphs");
    }

    [Fact]
    public async Task A_setting_that_names_a_file_is_refused()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        var message = await folder.InspectAsync(change: a => a with { Engine = a.Engine.Add("session.optimized_model_external_initializers_file_name", "/tmp/x") });
        Assert.Contains("cannot be set", Assert.IsType<WorkerRefused>(message).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_setting_that_shapes_the_graph_makes_no_shared_optimised_file()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        var message = await folder.InspectAsync(change: a => a with { Engine = a.Engine.Add("graph_optimization_level", "basic") });
        var inspected = Assert.IsType<WorkerInspected>(message);
        Assert.False(inspected.Optimised);
        Assert.Contains("engine settings", inspected.Note, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_signature_that_does_not_fit_is_refused()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        var message = await folder.InspectAsync(change: a => a with { Signature = """{"names":{"picture":"nothing"}}""" });
        Assert.Contains("'nothing'", Assert.IsType<WorkerRefused>(message).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public Task Weights_of_another_length_than_their_shape_are_named() => RefusedAsync(
        Onnx.Model(Onnx.Graph(Onnx.Node("Add", ["x", "w"], ["y"]), Onnx.Initialiser("w", Onnx.Float, new float[] { 1 }, 2), X, Y)), "'w'", "4 bytes", "8 bytes");

    [Fact]
    public Task Weights_of_a_kind_that_has_none_are_named() => RefusedAsync(
        Onnx.Model(Onnx.Graph(Onnx.Node("Identity", ["w"], ["y"]), Onnx.Initialiser("w", Onnx.String, new byte[] { 1, 2 }, 2), Onnx.Output("y", Onnx.String, 2))), "'w'");

    [Theory]
    [InlineData(17)]
    [InlineData(22)]
    public Task A_small_element_type_is_refused_with_those_that_are_allowed(int type) => RefusedAsync(
        Onnx.Model(Onnx.Graph(Onnx.Node("Cast", ["x"], ["y"], Onnx.IntAttribute("to", type)), X, Onnx.Output("y", type, 2)), opset: 21, ir: 10), "element type", "FP32");

    [Fact]
    public Task A_missing_attribute_is_told_with_its_node() =>
        RefusedAsync(Onnx.Model(Onnx.Graph(Onnx.Node("Cast", ["x"], ["y"]), X, Y)), "node 'node_y' (Cast)", "'to' is missing");

    [Fact]
    public Task Shapes_that_do_not_fit_are_told_with_their_node() => RefusedAsync(
        Onnx.Model(Onnx.Graph(Onnx.Node("Add", ["x", "w"], ["y"]), Onnx.Initialiser("w", Onnx.Float, new float[] { 1, 2, 3 }, 3), X, Y)), "node 'node_y' (Add)", "ncompatible dimensions");

    [Theory]
    [InlineData(3_000_000_000)]
    [InlineData((1L << 32) + 5)]
    public Task A_fixed_dimension_that_no_tensor_can_have_is_refused_as_it_is(long dimension) =>
        RefusedAsync(Onnx.Identity(Onnx.Float, 2, dimension), "'x'", $"dimension of {dimension}", "2147483647");

    private static async Task RefusedAsync(byte[] model, params string[] words)
    {
        using var folder = new ModelFolder(model);
        var refused = Assert.IsType<WorkerRefused>(await folder.InspectAsync());
        TestContext.Current.TestOutputHelper?.WriteLine(refused.Reason);
        foreach (var word in words)
        {
            Assert.Contains(word, refused.Reason, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("/", refused.Reason.Replace("input/output", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotMatch(@"::|\.(cc|h):\d|std |Proto|\[ShapeInferenceError\]|TensorElementType|DataTypeMax", refused.Reason);
    }
}
