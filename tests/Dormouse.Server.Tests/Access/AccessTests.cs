using System.Net;
using System.Net.Http.Headers;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Tests.Fakes;

namespace Dormouse.Server.Tests.Access;

public sealed class AccessTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null, "key_missing")]
    [InlineData("Basic dXNlcjpwYXNz", "key_invalid")]
    [InlineData("Bearer", "key_invalid")]
    [InlineData("Bearer nonsense", "key_invalid")]
    [InlineData("Bearer dm_aaaaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "key_invalid")]
    [InlineData("Bearer the-administrators-key-and-more", "key_invalid")]
    public async Task A_call_without_a_valid_key_gets_401_and_the_challenge(string? authorization, string code)
    {
        await using var server = await ControlServer.StartAsync();
        using var client = server.Client(null);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/endpoints");
        if (authorization is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        }

        using var response = await client.SendAsync(request, Cancellation);

        await ControlServer.ProblemAsync(response, ProblemCode.All[code]);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("Bearer", response.Headers.WwwAuthenticate.Single().Scheme);
    }

    [Theory]
    [InlineData("GET", "/api/v1/version", 200)]
    [InlineData("GET", "/api/v1/invocations/0190a8e0-0000-7000-8000-000000000000", 404)]
    [InlineData("GET", "/v2/models", 200)]
    [InlineData("GET", "/api/v1/endpoints", 403)]
    [InlineData("GET", "/api/v1/endpoints/a", 403)]
    [InlineData("GET", "/api/v1/endpoints/a/logs", 403)]
    [InlineData("POST", "/api/v1/endpoints/a/revisions", 403)]
    [InlineData("PUT", "/api/v1/endpoints/a/traffic", 403)]
    [InlineData("POST", "/api/v1/endpoints/a/stop", 403)]
    [InlineData("DELETE", "/api/v1/endpoints/a", 403)]
    [InlineData("GET", "/api/v1/keys", 403)]
    [InlineData("POST", "/api/v1/keys", 403)]
    [InlineData("GET", "/api/v1/usage", 403)]
    [InlineData("GET", "/api/v1/doctor", 403)]
    [InlineData("GET", "/metrics", 403)]
    public async Task A_key_for_invoking_reaches_no_more_than_it_must(string method, string path, int status)
    {
        await using var server = await ControlServer.StartAsync();
        using var client = server.Client((await server.KeyAsync("invoke")).Key);

        using var response = await client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path), Cancellation);

        Assert.Equal(status, (int)response.StatusCode);
        if (status == 403)
        {
            var problem = await ControlServer.ProblemAsync(response, ProblemCode.ScopeMissing);
            Assert.Contains("invoke", problem.Detail, StringComparison.Ordinal);
            Assert.Contains("error=\"insufficient_scope\"", response.Headers.WwwAuthenticate.Single().Parameter, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("/health")]
    [InlineData("/openapi/v1.json")]
    [InlineData("/v2/health/live")]
    [InlineData("/v2/health/ready")]
    public async Task Health_and_the_api_document_need_no_key(string path)
    {
        await using var server = await ControlServer.StartAsync();
        using var client = server.Client(null);

        using var response = await client.GetAsync(path, Cancellation);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task A_revoked_key_is_refused_from_the_next_call_on()
    {
        await using var server = await ControlServer.StartAsync();
        var key = await server.KeyAsync("admin");
        using var client = server.Client(key.Key);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/api/v1/endpoints", Cancellation)).StatusCode);

        var revoked = await client.DeleteAsync($"/api/v1/keys/{key.Id}", Cancellation);
        using var after = await client.GetAsync("/api/v1/endpoints", Cancellation);

        Assert.Equal(HttpStatusCode.NoContent, revoked.StatusCode);
        await ControlServer.ProblemAsync(after, ProblemCode.KeyInvalid);
        await ControlServer.ProblemAsync(await server.Admin.DeleteAsync($"/api/v1/keys/{key.Id}", Cancellation), ProblemCode.KeyNotFound);
    }

    [Fact]
    public async Task A_key_is_shown_whole_only_when_it_is_made()
    {
        await using var server = await ControlServer.StartAsync();
        var made = await server.KeyAsync("invoke", "admin");

        var text = await server.Admin.GetStringAsync("/api/v1/keys", Cancellation);

        var secret = made.Key!.Split('_')[2];
        Assert.StartsWith($"dm_{made.Id}_", made.Key, StringComparison.Ordinal);
        Assert.Contains(made.Id, text, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
        var stored = await server.Storage.Keys.FindAsync(made.Id, Cancellation);
        Assert.Equal(KeyFormat.Hash(secret), stored!.SecretHash);
    }

    [Theory]
    [InlineData("""{"name":"","scopes":["invoke"]}""", "spec_invalid")]
    [InlineData("""{"scopes":["invoke"]}""", "spec_invalid")]
    [InlineData("""{"name":"a"}""", "spec_invalid")]
    [InlineData("""{"name":"a","scopes":[]}""", "spec_invalid")]
    [InlineData("""{"name":"a","scopes":["root"]}""", "spec_invalid")]
    [InlineData("""{"name":"a","scopes":[null]}""", "spec_invalid")]
    [InlineData("""{"name":"a\u0007","scopes":["invoke"]}""", "spec_invalid")]
    [InlineData("""{"name":"a","scopes":"invoke"}""", "request_invalid")]
    public async Task A_key_request_that_makes_no_sense_is_refused(string body, string code)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.Admin.PostAsync("/api/v1/keys", new StringContent(body), Cancellation);

        await ControlServer.ProblemAsync(response, ProblemCode.All[code]);
    }

    [Fact]
    public async Task A_tenant_sees_nothing_of_another()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("mine", "good")).EnsureSuccessStatusCode();
        using var made = await server.Admin.PostAsync(
            "/t/acme/api/v1/keys", ControlServer.Json(new CreateKeyRequest("acme", ["admin"]), ControlJson.Default.CreateKeyRequest), Cancellation);
        using var acme = server.Client((await ControlServer.ReadAsync(made, ControlJson.Default.KeyInfo)).Key);

        using var foreign = await acme.GetAsync("/api/v1/endpoints/mine", Cancellation);
        using var own = await acme.GetAsync("/t/acme/api/v1/endpoints/mine", Cancellation);
        var list = await ControlServer.ReadAsync(await acme.GetAsync("/t/acme/api/v1/endpoints", Cancellation), ControlJson.Default.EndpointList);

        await ControlServer.ProblemAsync(foreign, ProblemCode.EndpointNotFound);
        await ControlServer.ProblemAsync(own, ProblemCode.EndpointNotFound);
        Assert.Empty(list.Endpoints);
        Assert.Empty(await server.Storage.Keys.ListAsync(TenantId.Default, Cancellation));
    }

    [Fact]
    public async Task A_tenant_that_has_a_file_does_not_show_it_to_another()
    {
        await using var server = await ControlServer.StartAsync();
        var file = await server.UploadAsync("model.onnx", "good");

        using var request = new HttpRequestMessage(HttpMethod.Head, $"/t/acme/api/v1/blobs/{file.Sha256}");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", ControlServer.AdminKey);
        using var response = await server.Client(null).SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }
}
