using System.Security.Cryptography;
using Dormouse.EndToEnd.Tests.Inference;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>The same from many callers at once.</summary>
public sealed class DeployTests(HostileServer hostile) : HostileTests(hostile)
{
    [Fact]
    public async Task Deploys_at_once_become_revisions_of_their_own_and_the_last_one_serves()
    {
        const int Count = 8;
        var deployed = await Task.WhenAll(Enumerable.Range(0, Count).Select(_ => Server.DeployAsync("twins", [("model.onnx", HostileModels.Line())], Cancelled)));

        Assert.Equal(Enumerable.Range(1, Count).Select(n => $"r{n}"), deployed.Select(d => d["name"]!.GetValue<string>()).Order(StringComparer.Ordinal));
        var endpoint = await Server.GetAsync("/api/v1/endpoints/twins", Cancelled);
        Assert.Equal(100, endpoint["traffic"]![$"r{Count}"]!.GetValue<int>());
        var answer = await InferCall.SendAsync(Server, "twins", [new Tensor("x", "FP32", [1], BitConverter.GetBytes(2.5f))], binary: true, Cancelled);
        Assert.Equal([2.5], answer["y"].Doubles());
    }

    [Fact]
    public async Task Uploads_of_one_file_at_once_end_with_the_whole_file()
    {
        var content = new byte[4 << 20];
        new Random(20260107).NextBytes(content);
        var address = new Uri($"/api/v1/blobs/{Convert.ToHexStringLower(SHA256.HashData(content))}", UriKind.Relative);

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Server.Http.PutAsync(address, new ByteArrayContent(content), Cancelled)));

        Assert.All(answers, a => Assert.Equal(201, (int)a.StatusCode));
        using var head = await Server.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, address), Cancelled);
        Assert.Equal($"{content.Length}", head.Headers.GetValues("Upload-Offset").Single());
    }

    [Fact]
    public async Task Deploying_and_deleting_at_once_ends_in_one_of_both()
    {
        await DeployAsync("fleeting", HostileModels.Line());
        var deploys = Enumerable.Range(0, 4).Select(_ => Server.TryDeployAsync("fleeting", [("model.onnx", HostileModels.Line())], Cancelled)).ToList();
        using (var deleted = await Server.Http.DeleteAsync(new Uri("/api/v1/endpoints/fleeting", UriKind.Relative), Cancelled))
        {
            Assert.InRange((int)deleted.StatusCode, 202, 204);
        }

        foreach (var response in await Task.WhenAll(deploys))
        {
            if (!response.IsSuccessStatusCode)
            {
                await Refusal.AssertAsync(response, 409, "conflict", "fleeting");
            }
        }
    }
}
