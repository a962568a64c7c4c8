using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Names that could be paths. They go over the wire as written here: a client library would tidy them up.</summary>
public sealed class NameTests(HostileServer hostile) : HostileTests(hostile)
{
    [Theory]
    [InlineData("..", 404, "route_not_found")]
    [InlineData("%2e%2e", 404, "route_not_found")]
    [InlineData("a/b", 404, "route_not_found")]
    [InlineData("a%2Fb", 422, "name_invalid")]
    [InlineData("..%2f..%2fetc", 422, "name_invalid")]
    [InlineData("%2e%2e%2f%2e%2e%2fetc", 422, "name_invalid")]
    [InlineData("..%5c..%5cetc", 422, "name_invalid")]
    [InlineData("%252e%252e", 422, "name_invalid")]
    [InlineData("...", 422, "name_invalid")]
    [InlineData("a.b", 422, "name_invalid")]
    [InlineData("%C3%A9t%C3%A9", 422, "name_invalid")]
    [InlineData("%EF%BC%8E%EF%BC%8E", 422, "name_invalid")]
    [InlineData("%F0%9F%90%AD", 422, "name_invalid")]
    [InlineData("a%0Ab", 422, "name_invalid")]
    [InlineData("a%20b", 422, "name_invalid")]
    [InlineData("UPPER", 422, "name_invalid")]
    [InlineData("-a", 422, "name_invalid")]
    [InlineData("a-", 422, "name_invalid")]
    [InlineData("a_b", 422, "name_invalid")]
    [InlineData("models", 422, "name_invalid")]
    [InlineData("repository", 422, "name_invalid")]
    [InlineData("health", 422, "name_invalid")]
    [InlineData("v2", 422, "name_invalid")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 422, "name_invalid")]
    public async Task A_name_that_could_be_a_path_makes_nothing(string name, int status, string code)
    {
        var before = await NamesAsync();

        var path = $"/api/v1/endpoints/{name}/revisions";
        Refusal.Check(await RawConnection.AskAsync(Server, "POST", path, await BodyAsync(), Cancelled), path, status, code);

        Assert.Equal(before, await NamesAsync());
        var infer = await RawConnection.AskAsync(Server, "POST", $"/v2/models/{name}/infer", "{}", Cancelled);
        Refusal.Check(infer, "/v2", 404, infer.Body.Contains("route_not_found", StringComparison.Ordinal) ? "route_not_found" : "endpoint_not_found");
    }

    [Fact]
    public async Task A_name_of_63_characters_is_the_longest()
    {
        var name = new string('a', 63);
        await DeployAsync(name, HostileModels.Line());

        using var deleted = await Server.Http.DeleteAsync(new Uri($"/api/v1/endpoints/{name}", UriKind.Relative), Cancelled);

        Assert.True(deleted.IsSuccessStatusCode);
    }

    [Theory]
    [InlineData("..%2f..%2f..%2fetc%2fpasswd")]
    [InlineData("%2fetc%2fpasswd")]
    [InlineData("ABCDEF0000000000000000000000000000000000000000000000000000000000")]
    [InlineData("00")]
    public async Task A_hash_that_could_be_a_path_writes_nothing(string hash)
    {
        var path = $"/api/v1/blobs/{hash}";
        Refusal.Check(await RawConnection.AskAsync(Server, "PUT", path, "content", Cancelled), path, 400, "request_invalid", "SHA-256");
    }

    [Fact]
    public async Task A_file_whose_content_is_not_what_its_hash_says_is_dropped()
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData("something"u8));
        var path = $"/api/v1/blobs/{hash}";

        Refusal.Check(await RawConnection.AskAsync(Server, "PUT", path, "something else", Cancelled), path, 422, "upload_hash_wrong", hash);

        Assert.Equal(201, (await RawConnection.AskAsync(Server, "PUT", path, "something", Cancelled)).Status);
    }

    private async Task<string[]> NamesAsync() =>
        [.. (await Server.GetAsync("/api/v1/endpoints", Cancelled))["endpoints"]!.AsArray().Select(e => e!["name"]!.GetValue<string>())];

    /// <summary>A deploy that would succeed under another name.</summary>
    private async Task<string> BodyAsync()
    {
        var model = HostileModels.Line();
        var hash = Convert.ToHexStringLower(SHA256.HashData(model));
        using var put = await Server.Http.PutAsync(new Uri($"/api/v1/blobs/{hash}", UriKind.Relative), new ByteArrayContent(model), Cancelled);
        Assert.True(put.IsSuccessStatusCode);
        return new JsonObject
        {
            ["files"] = new JsonArray(new JsonObject { ["path"] = "model.onnx", ["sha256"] = hash, ["size_bytes"] = model.Length }),
            ["settings"] = new JsonObject(),
            ["verify"] = false,
        }.ToJsonString();
    }
}
