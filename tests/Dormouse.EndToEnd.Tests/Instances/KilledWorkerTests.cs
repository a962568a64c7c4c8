using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Instances;

public sealed class KilledWorkerTests
{
    /// <summary>Enough kills to say something.</summary>
    private const int KillsMin = 50;

    /// <summary>Kills of all workers in a row without an answer between them, after which one is waited for: a machine may need longer than the time between two kills for a start.</summary>
    private const int KillsInVainMax = 10;

    /// <summary>Enough answers between them to say something.</summary>
    private const int AnswersMin = 200;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Workers_killed_every_300_ms_for_a_minute_lose_no_inference(bool killsAll)
    {
        await using var server = await RunningServer.StartAsync(Cancelled);
        await Digits.DeployAsync(server, "killed", Cancelled);
        var right = await Digits.AnswersAsync(server, "killed", Cancelled);
        using var minute = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        var (killed, answered) = (0, 0);
        // A minute; on a busy machine as long as so many take.
        bool IsOver() => limit.IsCancellationRequested || (minute.IsCancellationRequested && Volatile.Read(ref killed) >= KillsMin && Volatile.Read(ref answered) >= AnswersMin);
        var killer = Task.Run(async () =>
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(300));
            var (before, inVain) = (0, 0);
            while (!IsOver())
            {
                await timer.WaitForNextTickAsync(Cancelled);
                var now = Volatile.Read(ref answered);
                (inVain, before) = (now == before ? inVain + 1 : 0, now);
                if (killsAll && inVain > KillsInVainMax)
                    continue;
                // The oldest one serves, the others are the pool's.
                if (server.Workers() is [_, ..] workers)
                {
                    foreach (var worker in killsAll ? workers : [workers.Min()])
                    {
                        Processes.Signal(worker, "KILL");
                    }

                    Interlocked.Increment(ref killed);
                }
            }
        }, Cancelled);

        var callers = Enumerable.Range(0, 4).Select(caller => Task.Run(async () =>
        {
            for (var i = caller; !IsOver(); i += 4)
            {
                var scores = (await InferCall.SendAsync(server, "killed", [Digits.Input(i)], binary: true, Cancelled))["scores"].Doubles();
                TensorAssert.Close(right[i % Digits.Kinds], scores, 1e-5, 1e-5, $"answer {i}");
                Interlocked.Increment(ref answered);
            }
        }, Cancelled));
        await Task.WhenAll(callers);
        await killer;

        TestContext.Current.TestOutputHelper?.WriteLine($"{answered} answered, workers killed {killed} times");
        Assert.InRange(killed, KillsMin, int.MaxValue);
        Assert.InRange(answered, AnswersMin, int.MaxValue);
    }
}
