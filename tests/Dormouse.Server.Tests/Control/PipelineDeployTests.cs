using System.Net;
using System.Text;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Tests.Fakes;

namespace Dormouse.Server.Tests.Control;

/// <summary>What the control plane makes of definitions of pipelines.</summary>
public sealed class PipelineDeployTests
{
    private const string One = "steps: { a: { endpoint: digits } }";

    private static readonly RevisionSettings Pipeline = new() { Runtime = "pipeline" };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pipeline_is_live_at_once_shows_its_definition_and_is_there_after_a_restart()
    {
        string folder;
        await using (var server = await ControlServer.StartAsync())
        {
            server.KeepsFolder = true;
            folder = server.Folder;
            await server.DeployAsync("digits", "good");

            using var response = await DeployAsync(server, "flow", One, Pipeline with { Timeout = "5m", AsyncConcurrency = 2 });
            Assert.Equal(HttpStatusCode.Created, response.StatusCode);
            var revision = await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo);
            Assert.Equal(("ready", 100, """{"steps":{"a":{"endpoint":"digits"}}}"""), (revision.State, revision.Weight, revision.Pipeline));
            Assert.Equal(("pipeline", "5m", 64, 2, null), (revision.Settings.Runtime, revision.Settings.Timeout, revision.Settings.Concurrency!.Value.Number, revision.Settings.AsyncConcurrency, revision.Settings.Memory));
            Assert.Equal(1, server.Inspector.Inspections);
        }

        await using var again = await ControlServer.StartAsync(folder: folder);
        var endpoint = await again.EndpointAsync("flow");
        Assert.EndsWith("/invoke/flow", endpoint.Url, StringComparison.Ordinal);
        Assert.Equal("""{"steps":{"a":{"endpoint":"digits"}}}""", endpoint.Revisions[0].Pipeline);
        using var next = await DeployAsync(again, "flow", "steps: { a: { endpoint: digits, timeout: 2s } }");
        Assert.Equal("r2", (await ControlServer.ReadAsync(next, ControlJson.Default.RevisionInfo)).Name);
    }

    [Theory]
    [InlineData("steps: { a: { endpoint: nobody } }", "spec_invalid", "pipeline.steps.a.endpoint is 'nobody', which there is not")]
    [InlineData("steps: { a: { endpoint: flow } }", "spec_invalid", "pipeline calls itself: flow → flow.")]
    [InlineData("steps: { a: { endpoint: outer } }", "spec_invalid", "pipeline calls itself: flow → outer → flow.")]
    [InlineData("steps: { a: { endpoint: digits, after: b } }", "spec_invalid", "names step 'b', which there is not")]
    [InlineData("steps: [", "package_invalid", "is no YAML or JSON at line")]
    [InlineData("steps: { a: &x { endpoint: digits }, b: *x }", "package_invalid", "aliases are not allowed")]
    public async Task What_cannot_run_is_refused_with_its_reason(string definition, string code, string reason)
    {
        await using var server = await ControlServer.StartAsync();
        await server.DeployAsync("digits", "good");
        using var flow = await DeployAsync(server, "flow", One);
        using var outer = await DeployAsync(server, "outer", "steps: { a: { endpoint: flow } }");
        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.Created), (flow.StatusCode, outer.StatusCode));

        using var refused = await DeployAsync(server, "flow", definition);

        Assert.Contains(reason, (await ControlServer.ProblemAsync(refused, ProblemCode.All[code])).Detail, StringComparison.Ordinal);
        Assert.Single((await server.EndpointAsync("flow")).Revisions);
    }

    [Fact]
    public async Task Settings_and_rollouts_that_are_about_instances_are_refused()
    {
        await using var server = await ControlServer.StartAsync();
        await server.DeployAsync("digits", "good");
        await DeployAsync(server, "flow", One);

        using var memory = await DeployAsync(server, "flow", One, Pipeline with { Memory = "512MiB", MinInstances = 1 });
        using var canary = await server.PostDeployAsync("flow", await RequestAsync(server, One) with { Canary = new CanarySettings(10) });
        using var model = await server.DeployAsync("flow", "good");
        using var pipeline = await DeployAsync(server, "digits", One);
        using var mirror = await server.Admin.PutAsync("/api/v1/endpoints/flow/mirror", new StringContent("""{"revision":"r1","percent":10}""", Encoding.UTF8, "application/json"), Cancellation);

        var detail = (await ControlServer.ProblemAsync(memory, ProblemCode.SpecInvalid)).Detail;
        Assert.Contains("memory is '512MiB', but a pipeline has no instances", detail, StringComparison.Ordinal);
        Assert.Contains("min_instances is '1'", detail, StringComparison.Ordinal);
        Assert.Contains("no instances to watch or to warm", (await ControlServer.ProblemAsync(canary, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
        Assert.Contains("cannot become anything else", (await ControlServer.ProblemAsync(model, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
        Assert.Contains("cannot become one", (await ControlServer.ProblemAsync(pipeline, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
        Assert.Contains("r1 is a pipeline", (await ControlServer.ProblemAsync(mirror, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
    }

    private static async Task<DeployRequest> RequestAsync(ControlServer server, string definition, RevisionSettings? settings = null) =>
        new() { Files = [await server.UploadAsync("pipeline.yaml", definition)], Settings = settings ?? Pipeline };

    private static async Task<HttpResponseMessage> DeployAsync(ControlServer server, string name, string definition, RevisionSettings? settings = null) =>
        await server.PostDeployAsync(name, await RequestAsync(server, definition, settings));
}
