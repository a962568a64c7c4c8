using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Inference.Wire;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Routing;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Server.Tests.Grpc;
using Google.Protobuf;
using Grpc.Core;

namespace Dormouse.Server.Tests.Rollouts;

public sealed class TagTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_tag_addresses_its_revision_by_path_and_by_header_without_traffic()
    {
        await using var host = await TaggedHostAsync();

        Assert.Equal("1", await VersionAsync(host, "/v2/models/digits/infer"));
        Assert.Equal("2", await VersionAsync(host, "/v2/models/digits/versions/next/infer"));
        Assert.Equal("2", await VersionAsync(host, "/v2/models/digits/infer", "next"));
        Assert.Equal("2", await VersionAsync(host, "/v2/models/digits/infer", "r2"));
        Assert.Equal("2", await VersionAsync(host, "/v2/models/digits/versions/r2/infer"));
        Assert.Equal("2", await VersionAsync(host, "/v2/models/digits/versions/2/infer", "next"));
        Assert.Equal("2", await VersionAsync(host, "/invoke/digits/v2/models/digits/infer", "next"));
        using var ready = await host.Client.GetAsync("/v2/models/digits/versions/next/ready", Cancellation);
        Assert.Equal(200, (int)ready.StatusCode);
    }

    [Fact]
    public async Task Grpc_takes_a_tag_as_model_version_or_as_metadata()
    {
        await using var host = await TaggedHostAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(
            run.Context, 200, "application/x-protobuf", new ModelInferResponse { ModelVersion = run.Context.Request.Headers["Dormouse-Model-Version"].ToString() }.ToByteArray());
        using var caller = new GrpcCaller(host);
        var key = new Metadata { { "authorization", "Bearer " + GatewayHost.AdminKey }, { "dormouse-revision", "next" } };

        var byVersion = await caller.Call(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits", ModelVersion = "next" });
        var byMetadata = await caller.Call(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits" }, key);

        Assert.Equal(("2", "2"), (byVersion.ModelVersion, byMetadata.ModelVersion));
    }

    [Theory]
    [InlineData("/v2/models/digits/versions/absent/infer", null, 404, "no ready revision or tag 'absent'")]
    [InlineData("/v2/models/digits/infer", "absent", 404, "no ready revision or tag 'absent'")]
    [InlineData("/v2/models/digits/versions/1/infer", "next", 400, "Header Dormouse-Revision is 'next', but the address names '1'")]
    [InlineData("/v2/models/digits/versions/1/infer", "absent", 400, "Header Dormouse-Revision is 'absent', but the address names '1'")]
    public async Task A_name_that_means_nothing_or_two_that_differ_are_refused(string path, string? header, int status, string detail)
    {
        await using var host = await TaggedHostAsync();

        using var answer = await SendAsync(host, path, header);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains(detail, (await answer.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, host.Driver.Started);
    }

    [Fact]
    public async Task A_deploy_without_traffic_is_reached_by_its_tag_and_leaves_the_traffic()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        (await DeployAsync(server, "good second", "next")).EnsureSuccessStatusCode();

        var endpoint = await server.EndpointAsync("digits");
        Assert.Equal(100, Assert.Single(endpoint.Traffic).Value);
        Assert.Equal(100, endpoint.Traffic["r1"]);
        Assert.Equal("r2", endpoint.Tags?["next"]);
    }

    [Fact]
    public async Task A_first_revision_without_traffic_waits_for_it_and_is_ready()
    {
        await using var server = await ControlServer.StartAsync();

        (await DeployAsync(server, "good", "next")).EnsureSuccessStatusCode();

        var endpoint = await server.EndpointAsync("digits");
        Assert.Equal((0, "idle"), (endpoint.Traffic.Count, endpoint.Status));
    }

    [Fact]
    public async Task A_refused_deploy_leaves_the_tag_where_it_was()
    {
        await using var server = await ControlServer.StartAsync();
        (await DeployAsync(server, "good", "stable", traffic: true)).EnsureSuccessStatusCode();

        await ControlServer.ProblemAsync(await DeployAsync(server, "bad second", "stable", traffic: true), ProblemCode.ModelInvalid);

        Assert.Equal("r1", (await server.EndpointAsync("digits")).Tags?["stable"]);
    }

    [Fact]
    public async Task Tags_are_set_moved_and_deleted_and_stored()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();
        (await server.DeployAsync("digits", "good second")).EnsureSuccessStatusCode();

        Assert.Equal("r1", (await TagAsync(server, "stable", "r1")).Tags?["stable"]);
        Assert.Equal("r2", (await TagAsync(server, "stable", "r2")).Tags?["stable"]);
        await TagAsync(server, "old", "r1");
        using var deleted = await server.Admin.DeleteAsync("/api/v1/endpoints/digits/tags/stable", Cancellation);

        Assert.Equal(["old"], (await ControlServer.ReadAsync(deleted, ControlJson.Default.EndpointInfo)).Tags?.Keys);
        var entry = Assert.Single(await server.Storage.Catalogue.ReadAllAsync(Cancellation).ToListAsync(Cancellation));
        Assert.Equal([new RevisionTag("old", 1)], entry.Endpoint.Tags);
        using var absent = await server.Admin.DeleteAsync("/api/v1/endpoints/digits/tags/stable", Cancellation);
        Assert.Contains("has no tag 'stable'; it has old.", (await ControlServer.ProblemAsync(absent, ProblemCode.RevisionNotFound)).Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("r3", "r1", "name_invalid", "reads like a revision")]
    [InlineData("Stable", "r1", "name_invalid", "only a-z")]
    [InlineData("stable", "r9", "revision_not_found", "'digits' has no revision r9.")]
    [InlineData("stable", "1", "spec_invalid", "'1' is no revision")]
    [InlineData("stable", "r2", "spec_invalid", "r2 of 'digits' is failed; only a ready one")]
    public async Task What_cannot_be_tagged_is_refused_and_changes_nothing(string tag, string revision, string code, string detail)
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();
        await server.DeployAsync("digits", "bad second");

        using var response = await PutAsync(server, tag, revision);

        var problem = await response.Content.ReadAsStringAsync(Cancellation);
        Assert.Contains($"\"code\":\"{code}\"", problem, StringComparison.Ordinal);
        Assert.Contains(detail, problem.Replace("\\u0027", "'", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Null((await server.EndpointAsync("digits")).Tags);
    }

    [Fact]
    public async Task A_canary_without_traffic_is_refused()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        using var response = await server.PostDeployAsync(
            "digits", new DeployRequest { Files = [await server.UploadAsync("model.onnx", "good second")], Canary = new CanarySettings(10), Traffic = false });

        Assert.Contains("allowed is one of them", (await ControlServer.ProblemAsync(response, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
        Assert.Single((await server.EndpointAsync("digits")).Revisions);
    }

    private static async Task<HttpResponseMessage> DeployAsync(ControlServer server, string model, string tag, bool traffic = false) =>
        await server.PostDeployAsync("digits", new DeployRequest { Files = [await server.UploadAsync("model.onnx", model)], Tag = tag, Traffic = traffic });

    private static async Task<EndpointInfo> TagAsync(ControlServer server, string tag, string revision)
    {
        using var response = await PutAsync(server, tag, revision);
        return await ControlServer.ReadAsync(response, ControlJson.Default.EndpointInfo);
    }

    private static Task<HttpResponseMessage> PutAsync(ControlServer server, string tag, string revision) =>
        server.Admin.PutAsync($"/api/v1/endpoints/digits/tags/{tag}", ControlServer.Json(new TagRequest(revision), ControlJson.Default.TagRequest), Cancellation);

    /// <summary>r1 has the traffic, r2 the tag; an instance answers with the version that it is asked as.</summary>
    private static async Task<GatewayHost> TaggedHostAsync()
    {
        var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "text/plain", System.Text.Encoding.UTF8.GetBytes(run.Context.Request.Headers["Dormouse-Model-Version"].ToString()));
        var route = host.Add("digits", GatewayHost.Program(), withoutTraffic: 1);
        host.Routes.Put(new EndpointRoute(TagRules.Set(route.Endpoint, "next", 2), route.Revisions));
        return host;
    }

    private static async Task<string> VersionAsync(GatewayHost host, string path, string? header = null)
    {
        using var answer = await SendAsync(host, path, header);
        return await answer.Content.ReadAsStringAsync(Cancellation);
    }

    private static async Task<HttpResponseMessage> SendAsync(GatewayHost host, string path, string? header)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent("{}") };
        if (header is not null)
        {
            request.Headers.Add("Dormouse-Revision", header);
        }

        return await host.Client.SendAsync(request, Cancellation);
    }
}
