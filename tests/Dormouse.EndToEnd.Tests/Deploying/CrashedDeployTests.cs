using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Deploying;

/// <summary>A server that is killed while a model is verified.</summary>
public sealed class CrashedDeployTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_deploy_that_a_crash_interrupted_is_verified_by_the_next_server()
    {
        await using var first = await RunningServer.StartAsync(Cancelled);
        await Digits.DeployAsync(first, "before", Cancelled);
        var expected = await Digits.AnswersAsync(first, "before", Cancelled);
        var launcher = first.Launcher();
        // Without its launcher no inspection ends.
        Processes.Signal(launcher, "STOP");
        using (var accepted = await first.PostAsync("/api/v1/endpoints/interrupted/revisions?wait=false", await RequestAsync(first), Cancelled))
        {
            Assert.True((int)accepted.StatusCode == 202, await accepted.Content.ReadAsStringAsync(Cancelled));
        }

        Assert.Equal("verifying", await StateAsync(first));
        await first.KillAsync(Cancelled);
        Processes.Signal(launcher, "CONT");

        await using var second = await RunningServer.StartAsync(Cancelled, first.Data);

        await Waiting.UntilAsync(async () => await StateAsync(second) == "ready", "the revision is verified", Cancelled);
        var endpoint = await second.GetAsync("/api/v1/endpoints/interrupted", Cancelled);
        Assert.Equal(100, endpoint["traffic"]!["r1"]!.GetValue<int>());
        var answers = await Digits.AnswersAsync(second, "interrupted", Cancelled);
        for (var kind = 0; kind < Digits.Kinds; kind++)
        {
            TensorAssert.Close(expected[kind], answers[kind], 1e-5, 1e-5, $"scores of kind {kind}");
        }
    }

    /// <summary>The file that the other endpoint has: nothing has to be sent.</summary>
    private static async Task<JsonObject> RequestAsync(RunningServer server)
    {
        var files = (await server.GetAsync("/api/v1/endpoints/before", Cancelled))["revisions"]![0]!["files"]!;
        return new JsonObject { ["files"] = files.DeepClone(), ["settings"] = new JsonObject(), ["verify"] = true };
    }

    private static async Task<string> StateAsync(RunningServer server) =>
        (await server.GetAsync("/api/v1/endpoints/interrupted", Cancelled))["revisions"]![0]!["state"]!.GetValue<string>();
}
