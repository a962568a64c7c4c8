using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Tests.Fakes;

namespace Dormouse.Server.Tests.Control;

public sealed class IsolationTests
{
    [Theory]
    [InlineData(null, null, "sandbox")]
    [InlineData("process", null, "process")]
    [InlineData(null, "no bubblewrap", "process")]
    public async Task A_revision_says_how_its_instances_are_isolated_here(string? wanted, string? noSandbox, string level)
    {
        await using var server = await ControlServer.StartAsync();
        server.Driver.NoSandbox = noSandbox;

        using var response = await server.DeployAsync("digits", "good", new RevisionSettings { Isolation = wanted });
        var revision = await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo);

        Assert.Equal((level, wanted), (revision.Isolation, revision.Settings.Isolation));
    }

    [Theory]
    [InlineData("cgroup v1")]
    [InlineData("rlimits")]
    [InlineData(null)]
    public async Task A_revision_says_what_bounds_its_instances_here(string? limits)
    {
        await using var server = await ControlServer.StartAsync();
        server.Driver.Limits = limits;

        using var response = await server.DeployAsync("digits", "good");

        Assert.Equal(limits, (await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo)).Limits);
        Assert.Equal(limits, Assert.Single((await server.EndpointAsync("digits")).Revisions).Limits);
    }

    [Theory]
    [InlineData("sandbox", null)]
    [InlineData(null, "none")]
    public async Task Who_names_the_sandbox_is_refused_where_there_is_none(string? isolation, string? network)
    {
        await using var server = await ControlServer.StartAsync();
        server.Driver.NoSandbox = "A sandbox cannot be made on this machine: bwrap is missing.";

        using var response = await server.DeployAsync("digits", "good", new RevisionSettings { Isolation = isolation, Network = network });
        var problem = await ControlServer.ProblemAsync(response, ProblemCode.SpecInvalid);

        Assert.Equal(server.Driver.NoSandbox, problem.Detail);
    }
}
