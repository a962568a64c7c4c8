using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Dispatch;

public sealed class LoadSettingsTests
{
    [Fact]
    public async Task A_new_revision_starts_its_initial_instances_and_not_again_when_the_server_does()
    {
        var first = await ControlServer.StartAsync();
        await using (first)
        {
            (await first.DeployAsync("digits", "good", new RevisionSettings { InitialInstances = 2, MinInstances = 1, MaxInstances = 2 })).EnsureSuccessStatusCode();
            await ReadyAsync(first, 2);
            Assert.Contains((await first.EndpointAsync("digits")).Scaling, c => c.Reason == "initial_instances is 2, 0 there");
            first.KeepsFolder = true;
        }

        await using var second = await ControlServer.StartAsync(folder: first.Folder);
        await ReadyAsync(second, 1);
        var change = Assert.Single((await second.EndpointAsync("digits")).Scaling);
        Assert.Equal((1, "min-instances is 1, 0 there"), (change.To, change.Reason));
    }

    [Fact]
    public async Task Settings_of_the_load_are_kept_and_shown_with_their_defaults()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good", new RevisionSettings { TargetRps = 50, StableWindow = "2m", MaxScaleDownRate = 1.5 })).EnsureSuccessStatusCode();

        var settings = (await server.EndpointAsync("digits")).Revisions[0].Settings;

        Assert.Equal((50d, "2m", "12s", 2d, 1000d, 1.5), (settings.TargetRps, settings.StableWindow, settings.PanicWindow, settings.PanicThreshold, settings.MaxScaleUpRate, settings.MaxScaleDownRate));
    }

    [Fact]
    public async Task A_window_without_a_target_is_refused()
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.DeployAsync("digits", "good", new RevisionSettings { StableWindow = "2m" });

        Assert.StartsWith("stable_window is 2m, but the load asks for no instances;", (await ControlServer.ProblemAsync(response, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
    }

    private static Task ReadyAsync(ControlServer server, int count) =>
        Conditions.UntilAsync(() => server.EndpointAsync("digits").Result.Instances.Count(i => i.State == "ready") == count, $"{count} instances are ready");
}
