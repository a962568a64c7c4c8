using System.IO.Compression;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Inference;

/// <summary>The ONNX backend tests that the engine itself passes, through the whole product: JSON where the protocol allows it, and binary.</summary>
public sealed class BackendVectorTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private const string Archive = "conformance/onnx-backend-tests.zip";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public static TheoryData<string> Passing()
    {
        var status = Path.Combine(Checkout.SharedData, "conformance/onnx-backend-tests.status.csv");
        return File.Exists(status)
            ? [.. File.ReadLines(status).Skip(1).Select(l => l.Split(',')).Where(r => r[1] == "pass").Select(r => r[0])]
            : ["absent"];
    }

    [Theory]
    [MemberData(nameof(Passing))]
    public async Task A_vector_is_answered_right(string test)
    {
        using var archive = ZipFile.OpenRead(Checkout.Shared(Archive));
        var folder = archive.Entries.First(e => e.FullName.EndsWith(test + "/model.onnx", StringComparison.Ordinal)).FullName[..^"model.onnx".Length];
        var endpoint = "vector-" + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(test)))[..16];
        var revision = await fixture.Server.DeployAsync(endpoint, [("model.onnx", Read(archive, folder + "model.onnx"))], Cancelled);
        var inputNames = revision["interface"]!["inputs"]!.AsArray().Select(i => i!["name"]!.GetValue<string>()).ToArray();
        var outputNames = revision["interface"]!["outputs"]!.AsArray().Select(i => i!["name"]!.GetValue<string>()).ToArray();

        for (var set = 0; archive.GetEntry($"{folder}test_data_set_{set}/output_0.pb") is not null; set++)
        {
            var inputs = Tensors(archive, $"{folder}test_data_set_{set}/input_", inputNames);
            var expected = Tensors(archive, $"{folder}test_data_set_{set}/output_", outputNames);
            await AssertAsync(endpoint, inputs, expected, binary: true);
            if (inputs.All(t => t.FitsJson) && expected.All(t => t.FitsJson))
            {
                await AssertAsync(endpoint, inputs, expected, binary: false);
            }
        }

        using var deleted = await fixture.Server.Http.DeleteAsync(new Uri($"/api/v1/endpoints/{endpoint}", UriKind.Relative), Cancelled);
        Assert.True(deleted.IsSuccessStatusCode);
    }

    private async Task AssertAsync(string endpoint, Tensor[] inputs, Tensor[] expected, bool binary)
    {
        var answered = await InferCall.SendAsync(fixture.Server, endpoint, inputs, binary, Cancelled);
        foreach (var output in expected)
        {
            TensorAssert.Close(output, answered[output.Name], 1e-3, 1e-7);
        }
    }

    private static Tensor[] Tensors(ZipArchive archive, string prefix, string[] names) =>
        [.. names.Select((name, i) => (name, entry: archive.GetEntry($"{prefix}{i}.pb"))).Where(e => e.entry is not null).Select(e => TensorProto.Read(Read(archive, e.entry!.FullName), e.name))];

    private static byte[] Read(ZipArchive archive, string path)
    {
        using var stream = archive.GetEntry(path)!.Open();
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
