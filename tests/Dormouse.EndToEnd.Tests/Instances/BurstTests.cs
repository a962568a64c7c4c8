using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Instances;

public sealed class BurstTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ten_bursts_of_500_from_zero_lose_nothing_and_answer_right()
    {
        var server = fixture.Server;
        await Digits.DeployAsync(server, "burst", Cancelled, new() { ["idle_timeout"] = "10m" });
        var right = await Digits.AnswersAsync(server, "burst", Cancelled);
        for (var round = 0; round < 10; round++)
        {
            using var stopped = await server.PostAsync("/api/v1/endpoints/burst/stop", null, Cancelled);
            Assert.True(stopped.IsSuccessStatusCode);
            // A stop does not wait for ever; on a busy machine the last process may end after it was answered.
            await Waiting.UntilAsync(async () => (await server.InstancesAsync("burst", Cancelled)).Count == 0, "no instance is left", Cancelled);

            var answers = await Task.WhenAll(Enumerable.Range(0, 500).Select(i => InferCall.SendAsync(server, "burst", [Digits.Input(i)], binary: i % 2 == 0, Cancelled)));

            for (var i = 0; i < answers.Length; i++)
            {
                TensorAssert.Close(right[i % Digits.Kinds], answers[i]["scores"].Doubles(), 1e-5, 1e-5, $"round {round}, answer {i}");
            }

            var instances = await server.InstancesAsync("burst", Cancelled);
            Assert.InRange(instances.Count, 1, Environment.ProcessorCount);
        }
    }
}
