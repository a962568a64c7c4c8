using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Wrong methods, addresses and keys.</summary>
public sealed class AddressTests(HostileServer hostile) : HostileTests(hostile)
{
    [Theory]
    [InlineData("GET", "/v2/models/neighbour/infer", "POST")]
    [InlineData("DELETE", "/v2/models/neighbour", "GET")]
    [InlineData("POST", "/v2/health/live", "GET")]
    [InlineData("GET", "/v2/repository/index", "POST")]
    [InlineData("POST", "/api/v1/endpoints", "GET")]
    [InlineData("PUT", "/api/v1/endpoints/neighbour", "GET")]
    [InlineData("POST", "/api/v1/blobs/0000000000000000000000000000000000000000000000000000000000000000", "PUT")]
    [InlineData("BREW", "/v2/models/neighbour/infer", "POST")]
    public async Task A_wrong_method_is_refused_with_the_right_one(string method, string path, string right)
    {
        var response = await Server.Http.SendAsync(new HttpRequestMessage(new HttpMethod(method), path), Cancelled);
        var allowed = response.Content.Headers.Allow;

        await Refusal.AssertAsync(response, 405, "method_not_allowed", method, right);

        Assert.Contains(right, allowed);
    }

    [Theory]
    [InlineData("POST", "/v2/models/nobody/infer", "endpoint_not_found", "'nobody'")]
    [InlineData("GET", "/v2/models/nobody", "endpoint_not_found", "'nobody'")]
    [InlineData("GET", "/v2/models/nobody/ready", "endpoint_not_found", "'nobody'")]
    [InlineData("POST", "/v2/repository/models/nobody/load", "endpoint_not_found", "'nobody'")]
    [InlineData("POST", "/invoke/nobody", "endpoint_not_found", "'nobody'")]
    [InlineData("POST", "/invoke/nobody/some/path", "endpoint_not_found", "'nobody'")]
    [InlineData("GET", "/api/v1/endpoints/nobody", "endpoint_not_found", "nobody")]
    [InlineData("DELETE", "/api/v1/endpoints/nobody", "endpoint_not_found", "nobody")]
    [InlineData("POST", "/api/v1/endpoints/nobody/stop", "endpoint_not_found", "nobody")]
    [InlineData("GET", "/api/v1/endpoints/nobody/logs", "endpoint_not_found", "nobody")]
    [InlineData("POST", "/v2/models/neighbour/versions/99/infer", "revision_not_found", "'99'")]
    [InlineData("POST", "/v2/models/neighbour/versions/-1/infer", "revision_not_found", "'-1'")]
    [InlineData("POST", "/v2/models/neighbour/versions/latest/infer", "revision_not_found", "'latest'")]
    [InlineData("GET", "/v2/nothing", "route_not_found", "")]
    [InlineData("GET", "/api/v1/nothing", "route_not_found", "/api/v1/nothing")]
    [InlineData("GET", "/nothing", "route_not_found", "/nothing")]
    [InlineData("GET", "/api/v1/invocations/00000000-0000-0000-0000-000000000000", "invocation_not_found", "")]
    [InlineData("DELETE", "/api/v1/keys/nobody", "key_not_found", "")]
    public async Task What_is_not_there_is_named(string method, string path, string code, string word) =>
        await Refusal.AssertAsync(await Server.Http.SendAsync(new HttpRequestMessage(new HttpMethod(method), path), Cancelled), 404, code, word);

    [Theory]
    [InlineData(null, 401, "key_missing", "Bearer dm_")]
    [InlineData("", 401, "key_missing", "Bearer dm_")]
    [InlineData("Bearer dm_0000000000000000000000000000000000000000", 401, "key_invalid", "not valid")]
    [InlineData("Bearer ", 401, "key_invalid", "")]
    [InlineData("Bearer dm_\u007f", 401, "key_invalid", "")]
    [InlineData("Basic dXNlcjpwYXNz", 401, "key_invalid", "'Bearer'")]
    public async Task Without_a_valid_key_nothing_is_done(string? authorization, int status, string code, string word)
    {
        foreach (var (method, path) in ((string, string)[])[("POST", "/v2/models/neighbour/infer"), ("GET", "/v2/models/neighbour"), ("POST", "/invoke/neighbour"), ("GET", "/api/v1/endpoints"), ("DELETE", "/api/v1/endpoints/neighbour"), ("POST", "/v2/models/nobody/infer")])
        {
            using var stranger = new HttpClient { BaseAddress = Server.Address };
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            if (authorization is not null)
            {
                request.Headers.TryAddWithoutValidation("Authorization", authorization);
            }

            var response = await stranger.SendAsync(request, Cancelled);
            var challenge = response.Headers.WwwAuthenticate.ToString();

            await Refusal.AssertAsync(response, status, code, word);

            Assert.StartsWith("Bearer", challenge, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_key_works_until_it_is_revoked_and_only_for_its_scope()
    {
        using var made = await Server.PostAsync("/api/v1/keys", new JsonObject { ["name"] = "guest", ["scopes"] = new JsonArray("invoke") }, Cancelled);
        var key = JsonNode.Parse(await made.Content.ReadAsStringAsync(Cancelled))!;
        using var guest = new HttpClient { BaseAddress = Server.Address };
        guest.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key["key"]!.GetValue<string>());
        using (var allowed = await guest.GetAsync(new Uri("/v2/models/neighbour", UriKind.Relative), Cancelled))
        {
            Assert.True(allowed.IsSuccessStatusCode);
        }

        await Refusal.AssertAsync(await guest.GetAsync(new Uri("/api/v1/endpoints", UriKind.Relative), Cancelled), 403, "scope_missing", "invoke", "admin");

        // The id of a key that there is, with another secret.
        var secret = key["key"]!.GetValue<string>();
        using var mistyped = new HttpClient { BaseAddress = Server.Address };
        mistyped.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", secret[..^1] + (secret[^1] == 'a' ? 'b' : 'a'));
        await Refusal.AssertAsync(await mistyped.GetAsync(new Uri("/v2/models/neighbour", UriKind.Relative), Cancelled), 401, "key_invalid", "not valid");

        using (var revoked = await Server.Http.DeleteAsync(new Uri($"/api/v1/keys/{key["id"]}", UriKind.Relative), Cancelled))
        {
            Assert.Equal(204, (int)revoked.StatusCode);
        }

        await Refusal.AssertAsync(await guest.GetAsync(new Uri("/v2/models/neighbour", UriKind.Relative), Cancelled), 401, "key_invalid", "revoked");
    }

    [Theory]
    [InlineData("GARBAGE\r\n\r\n")]
    [InlineData("GET / HTTP/9.9\r\n\r\n")]
    [InlineData("POST /v2/models/neighbour/infer HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("POST /v2/models/neighbour/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\n\r\n")]
    public async Task What_is_no_HTTP_is_refused(string request)
    {
        using var connection = await RawConnection.OpenAsync(Server, Cancelled);
        await connection.SendAsync(request, Cancelled);

        // Kestrel answers these before the product sees them: a status without a body.
        Assert.InRange((await connection.AnswerAsync(Cancelled)).Status, 400, 505);
    }
}
