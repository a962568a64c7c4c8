using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Instances;

/// <summary><c>concurrency: auto</c> through the whole server. How well the limit is found is tested on a made-up server with a knee, where nothing depends on this machine.</summary>
public sealed class FoundConcurrencyTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Callers_are_answered_right_while_the_limit_is_found_and_shown()
    {
        var server = fixture.Server;
        var revision = await Digits.DeployAsync(server, "auto", Cancelled, new() { ["concurrency"] = "auto", ["max_instances"] = 1, ["idle_timeout"] = "10m" });
        Assert.Equal("auto", revision["settings"]!["concurrency"]!.GetValue<string>());
        var right = await Digits.AnswersAsync(server, "auto", Cancelled);

        await Parallel.ForEachAsync(Enumerable.Range(0, 1_500), new ParallelOptions { MaxDegreeOfParallelism = 24, CancellationToken = Cancelled }, async (i, cancelled) =>
        {
            var answer = await InferCall.SendAsync(server, "auto", [Digits.Input(i)], binary: true, cancelled);
            TensorAssert.Close(right[i % Digits.Kinds], answer["scores"].Doubles(), 1e-5, 1e-5, $"answer {i}");
        });

        var instance = Assert.Single(await server.InstancesAsync("auto", Cancelled))!;
        Assert.InRange(instance["concurrency_limit"]!.GetValue<int>(), 1, 64);
    }
}
