using System.Globalization;
using Dormouse.Simulation.Promises;

namespace Dormouse.Simulation.Tests.Queues;

/// <summary>The queue with several servers under leases that are lost, clocks that jump, messages that come twice, crashes at every step, requests that are changed before they run anew, and rates.</summary>
public sealed class QueueWorldsTests
{
    private const int SeedsDefault = 200;

    private const int SeedsLong = 5_000;

    /// <summary>DORMOUSE_SEED=17 replays one; DORMOUSE_SEEDS=50000 tries more.</summary>
    [Fact]
    public async Task Nothing_accepted_is_lost_or_ended_twice_in_any_world()
    {
        var only = Environment.GetEnvironmentVariable("DORMOUSE_SEED");
        var isLong = Environment.GetEnvironmentVariable("DORMOUSE_TEST_LONG") == "1";
        var count = int.Parse(Environment.GetEnvironmentVariable("DORMOUSE_SEEDS") ?? $"{(isLong ? SeedsLong : SeedsDefault)}", CultureInfo.InvariantCulture);
        var seeds = only is null ? Enumerable.Range(1, count).Select(i => (ulong)i) : [ulong.Parse(only, CultureInfo.InvariantCulture)];

        var (crashes, lateEnds, edits, rated) = (0, 0, 0, 0);
        foreach (var seed in seeds)
        {
            var world = new QueueWorld(seed);
            await world.RunAsync();
            (crashes, lateEnds) = (crashes + world.Crashes, lateEnds + world.Book.LateEnds);
            (edits, rated) = (edits + world.Book.Edits, rated + world.Book.RatedLeases);
        }

        // They are only worth something when what can go wrong does.
        Assert.True(only is not null || (crashes > 100 && lateEnds > 100 && edits > 50 && rated > 100), $"{crashes} crashes, {lateEnds} ends that came too late, {edits} edits, {rated} items taken under a rate");
    }

    [Theory]
    [InlineData("LosesLeased", "is gone|are there")]
    [InlineData("IgnoresFence", "is its last one")]
    [InlineData("ForgetsKeys", "accepted twice|times")]
    [InlineData("ForgetsGroups", "of group")]
    [InlineData("RunsLate", "after its time to live")]
    [InlineData("ShortLeases", "no clock or server was wrong")]
    [InlineData("EditsLive", @"is as edit \d+ made it")]
    [InlineData("IgnoresRate", "more than its rate")]
    public async Task A_broken_queue_is_found(string distortion, string finding)
    {
        for (var seed = 1UL; seed <= 300; seed++)
        {
            try
            {
                await new QueueWorld(seed, Enum.Parse<QueueDistortion>(distortion)).RunAsync();
            }
            catch (BrokenPromiseException e)
            {
                Assert.Contains($"Seed {seed}, ", e.Message, StringComparison.Ordinal);
                Assert.Matches(finding, e.Message);
                return;
            }
        }

        Assert.Fail("no world showed it");
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_world()
    {
        var (one, other) = (new QueueWorld(7), new QueueWorld(7));
        await one.RunAsync();
        await other.RunAsync();

        Assert.Equal((one.Events, one.Crashes, one.Now), (other.Events, other.Crashes, other.Now));
    }
}
