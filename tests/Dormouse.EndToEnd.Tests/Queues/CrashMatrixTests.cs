using Dormouse.Storage.Tests.Support;

namespace Dormouse.EndToEnd.Tests.Queues;

/// <summary>
/// SIGKILL of server, worker, broker and database at each step of an asynchronous invocation, on both stores: twice each, twenty times with <c>./test --long</c>. Nothing accepted is lost, each
/// result is stored once, and effects happen at least once under an id that stays the same.
/// </summary>
public sealed class CrashMatrixTests
{
    private const int AtOnce = 3;

    [Fact]
    public async Task Whatever_is_killed_at_whatever_step_nothing_accepted_is_lost_and_each_result_is_stored_once()
    {
        Assert.SkipUnless(SmallRedis.IsInstalled, "Redis is not installed (./test installs it): the crash matrix was not run.");
        Assert.SkipWhen(PrivatePostgres.BinFolder is null, "PostgreSQL is not installed (./test installs it): the crash matrix was not run.");
        var rounds = Environment.GetEnvironmentVariable("DORMOUSE_TEST_LONG") == "1" ? 20 : 2;
        (bool IsPostgres, Victim Victim)[] lanes =
        [
            (false, Victim.Server), (true, Victim.Server), (false, Victim.Broker), (true, Victim.Broker), (true, Victim.Database), (false, Victim.Worker), (true, Victim.Worker),
        ];

        await Parallel.ForEachAsync(
            lanes, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = TestContext.Current.CancellationToken },
            async (lane, _) => await CrashLane.RunAsync(lane.IsPostgres, lane.Victim, rounds));
    }
}
