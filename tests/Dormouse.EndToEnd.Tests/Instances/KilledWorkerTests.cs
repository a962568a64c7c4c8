using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Instances;

public sealed class KilledWorkerTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Workers_killed_every_300_ms_for_a_minute_lose_no_inference(bool killsAll)
    {
        await using var server = await RunningServer.StartAsync(Cancelled);
        await Digits.DeployAsync(server, "killed", Cancelled);
        var right = await Digits.AnswersAsync(server, "killed", Cancelled);
        using var over = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var killed = 0;
        var killer = Task.Run(async () =>
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(300));
            while (!over.IsCancellationRequested)
            {
                await timer.WaitForNextTickAsync(Cancelled);
                // The oldest one serves, the others are the pool's.
                if (server.Workers() is [_, ..] workers)
                {
                    foreach (var worker in killsAll ? workers : [workers.Min()])
                    {
                        Processes.Signal(worker, "KILL");
                    }

                    killed++;
                }
            }
        }, Cancelled);

        var answered = 0;
        var callers = Enumerable.Range(0, 4).Select(caller => Task.Run(async () =>
        {
            for (var i = caller; !over.IsCancellationRequested; i += 4)
            {
                var scores = (await InferCall.SendAsync(server, "killed", [Digits.Input(i)], binary: true, Cancelled))["scores"].Doubles();
                TensorAssert.Close(right[i % Digits.Kinds], scores, 1e-5, 1e-5, $"answer {i}");
                Interlocked.Increment(ref answered);
            }
        }, Cancelled));
        await Task.WhenAll(callers);
        await killer;

        TestContext.Current.TestOutputHelper?.WriteLine($"{answered} answered, workers killed {killed} times");
        Assert.InRange(killed, 50, int.MaxValue);
        Assert.InRange(answered, 200, int.MaxValue);
    }
}
