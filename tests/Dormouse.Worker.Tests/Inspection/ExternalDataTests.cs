using System.Runtime.InteropServices;
using Dormouse.Protocol.Launching;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.Worker.Tests.Inspection;

/// <summary>A model may keep weights in files of its own package and nowhere else, whatever place of the format names them.</summary>
public sealed class ExternalDataTests
{
    private static readonly byte[] Weights = MemoryMarshal.AsBytes<float>(new float[] { 1, 2 }).ToArray();

    [Fact]
    public async Task Weights_beside_the_model_are_loaded()
    {
        using var folder = new ModelFolder(InInitialiser("weights.bin", length: 8)).Write("weights.bin", Weights);

        var inspected = Assert.IsType<WorkerInspected>(await folder.InspectAsync());

        Assert.True(inspected.Optimised, inspected.Note);
    }

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("../outside.bin")]
    [InlineData("sub/../../outside.bin")]
    [InlineData("..")]
    [InlineData("..\\outside.bin")]
    [InlineData("")]
    public async Task A_location_outside_the_package_is_refused(string location)
    {
        using var folder = new ModelFolder(InInitialiser(location)).Write("../outside.bin", Weights);
        AssertRefused(await folder.InspectAsync(), "only a relative path");
    }

    [Fact]
    public async Task A_link_that_leads_out_of_the_package_is_refused()
    {
        using var folder = new ModelFolder(InInitialiser("weights.bin")).Write("../outside.bin", Weights);
        File.CreateSymbolicLink(Path.Combine(folder.Package, "weights.bin"), Path.Combine(folder.Package, "..", "outside.bin"));
        AssertRefused(await folder.InspectAsync(), "leads out of the package");
    }

    [Fact]
    public async Task A_linked_folder_that_leads_out_of_the_package_is_refused()
    {
        using var folder = new ModelFolder(InInitialiser("sub/outside.bin")).Write("../outside.bin", Weights);
        Directory.CreateSymbolicLink(Path.Combine(folder.Package, "sub"), Path.Combine(folder.Package, ".."));
        AssertRefused(await folder.InspectAsync(), "leads out of the package");
    }

    [Fact]
    public async Task The_engines_own_memory_tag_is_no_file()
    {
        using var folder = new ModelFolder(InInitialiser("*/_ORT_MEM_ADDR_/*"));
        AssertRefused(await folder.InspectAsync(), "not in the package");
    }

    [Fact]
    public async Task A_file_that_is_not_in_the_package_is_refused()
    {
        using var folder = new ModelFolder(InInitialiser("weights.bin"));
        AssertRefused(await folder.InspectAsync(), "not in the package");
    }

    [Fact]
    public async Task A_file_that_is_too_short_is_refused()
    {
        using var folder = new ModelFolder(InInitialiser("weights.bin", offset: 4, length: 8)).Write("weights.bin", Weights);
        AssertRefused(await folder.InspectAsync(), "needs 12 bytes");
    }

    [Fact]
    public async Task Every_place_that_can_hold_a_tensor_is_looked_at()
    {
        foreach (var (place, model) in Places(Onnx.External("secret", "/etc/passwd", 2)))
        {
            using var folder = new ModelFolder(model);
            var refused = Assert.IsType<WorkerRefused>(await folder.InspectAsync());
            Assert.True(refused.Reason.Contains("only a relative path", StringComparison.Ordinal), $"{place}: {refused.Reason}");
        }
    }

    [Fact]
    public async Task A_model_that_was_never_inspected_meets_the_same_check_when_it_is_served()
    {
        using var folder = new ModelFolder(InInitialiser("/etc/passwd"));
        await using var worker = await TestLauncher.StartAsync();
        AssertRefused(await folder.ServeAsync(worker), "only a relative path");
        Assert.Equal(0, await worker.WaitForExitAsync());
    }

    [Fact]
    public async Task A_location_split_over_repeated_fields_is_found()
    {
        // Two occurrences of a node attribute's tensor are one merged tensor to a parser: the first says where, the second says external.
        var where = new Proto().Number(1, 2).Number(2, Onnx.Float).Text(8, "w").Message(13, new Proto().Text(1, "location").Text(2, "/etc/passwd"));
        var attribute = new Proto().Text(1, "value").Message(5, where).Message(5, new Proto().Number(14, 1)).Number(20, 4);
        using var folder = new ModelFolder(Onnx.Model(Onnx.Graph(Onnx.Node("Constant", [], ["y"], attribute), Onnx.Output("y", Onnx.Float, 2))));
        AssertRefused(await folder.InspectAsync(), "only a relative path");
    }

    private static IEnumerable<(string Place, byte[] Model)> Places(Proto tensor)
    {
        var x = Onnx.Input("x", Onnx.Float, 2);
        var y = Onnx.Output("y", Onnx.Float, 2);
        var constant = Onnx.Node("Constant", [], ["y"], Onnx.TensorAttribute("value", tensor));
        var branch = Onnx.Graph(constant, y);
        var sparse = new Proto().Message(1, tensor).Message(2, Onnx.Tensor("i", Onnx.Int64, new long[] { 0, 1 }, 2)).Number(3, 2);
        var function = new Proto().Text(1, "F").Text(5, "y").Message(7, constant.Item2).Message(9, Onnx.OperatorSet("", 17)).Text(10, "local");
        var withDefault = new Proto().Text(1, "F").Text(5, "y").Message(11, Onnx.TensorAttribute("value", tensor)).Message(9, Onnx.OperatorSet("", 17)).Text(10, "local");
        yield return ("initialiser", Onnx.Model(Onnx.Graph((5, tensor), Onnx.Node("Identity", ["secret"], ["y"]), y)));
        yield return ("sparse initialiser", Onnx.Model(Onnx.Graph((15, sparse), Onnx.Node("Identity", ["secret"], ["y"]), y)));
        yield return ("tensor attribute", Onnx.Model(Onnx.Graph(constant, y)));
        yield return ("tensor list attribute", Onnx.Model(Onnx.Graph(Onnx.Node("Identity", ["x"], ["y"], new Proto().Text(1, "t").Message(10, tensor).Number(20, 9)), x, y)));
        yield return ("sparse attribute", Onnx.Model(Onnx.Graph(Onnx.Node("Constant", [], ["y"], new Proto().Text(1, "sparse_value").Message(22, sparse).Number(20, 11)), y)));
        yield return ("sparse list attribute", Onnx.Model(Onnx.Graph(Onnx.Node("Identity", ["x"], ["y"], new Proto().Text(1, "s").Message(23, sparse).Number(20, 12)), x, y)));
        yield return ("subgraph", Onnx.Model(Onnx.Graph(
            Onnx.Node("If", ["c"], ["y"], Onnx.GraphAttribute("then_branch", branch), Onnx.GraphAttribute("else_branch", branch)), Onnx.Input("c", Onnx.Bool), y)));
        yield return ("subgraph list", Onnx.Model(Onnx.Graph(Onnx.Node("Identity", ["x"], ["y"], new Proto().Text(1, "g").Message(11, branch).Number(20, 10)), x, y)));
        yield return ("function", Onnx.ModelProto(Onnx.Graph(Onnx.NodeOf("local", "F", [], ["y"]), y), more: Onnx.OperatorSet("local", 1)).Message(25, function).ToArray());
        yield return ("function attribute", Onnx.ModelProto(Onnx.Graph(Onnx.NodeOf("local", "F", [], ["y"]), y), more: Onnx.OperatorSet("local", 1)).Message(25, withDefault).ToArray());
        yield return ("training graph", Onnx.ModelProto(Onnx.Graph(Onnx.Node("Identity", ["x"], ["y"]), x, y)).Message(20, new Proto().Message(1, branch)).ToArray());
    }

    private static byte[] InInitialiser(string location, long? offset = null, long? length = null) => Onnx.Model(Onnx.Graph(
        Onnx.Node("Add", ["x", "w"], ["y"]), (5, Onnx.External("w", location, 2, offset, length)), Onnx.Input("x", Onnx.Float, 2), Onnx.Output("y", Onnx.Float, 2)));

    private static void AssertRefused(WorkerMessage message, string words) =>
        Assert.Contains(words, Assert.IsType<WorkerRefused>(message).Reason, StringComparison.Ordinal);
}
