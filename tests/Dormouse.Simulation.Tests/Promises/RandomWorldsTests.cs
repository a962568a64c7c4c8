using System.Globalization;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Simulation.Promises;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Simulation.Tests.Promises;

public sealed class RandomWorldsTests
{
    private const int SeedsDefault = 200;

    /// <summary>Ways in which an engine could break its promises, and what the harness says of each.</summary>
    public static TheoryData<string, string> Distortions => new()
    {
        { "forgets a grant", "waits though a slot is free|sleeps longer" },
        { "grants twice", "did not wait" },
        { "grants to one that drains", "Draining" },
        { "grants to one that is over", "a slot was given on instance" },
        { "passes the queue", "not its turn" },
        { "meters too much", "metered" },
        { "meters too little", "not billed" },
        { "meters twice", "metered 2 times" },
        { "starts one too many", "max-instances" },
        { "forgets to wake", "sleeps|are left|wait or run" },
        { "stops what is busy", "while" },
        { "stops what is provisioned", "is provisioned" },
        { "accounts too little provisioned time", "were accounted" },
        { "takes provisioned for on-demand", "given as on-demand" },
        { "refuses who does not wait", "did not wait" },
        { "forgets to refuse", "longer than the queue time-out" },
        { "sends away who cannot go", "cannot overflow" },
        { "refuses for a deadline", "deadline" },
        { "gives to the most loaded", "more than every other" },
    };

    /// <summary><c>./test --seed 17</c> replays one, <c>./test --seeds 5000</c> tries more; both say it by the environment.</summary>
    [Fact]
    public void Every_promise_holds_in_every_world()
    {
        var only = Environment.GetEnvironmentVariable("DORMOUSE_SEED");
        var count = int.Parse(Environment.GetEnvironmentVariable("DORMOUSE_SEEDS") ?? $"{SeedsDefault}", CultureInfo.InvariantCulture);
        var seeds = only is null ? Enumerable.Range(1, count).Select(i => (ulong)i) : [ulong.Parse(only, CultureInfo.InvariantCulture)];

        var events = seeds.Sum(RandomWorlds.Check);

        Assert.True(events > 0, "nothing happened");
    }

    [Theory]
    [MemberData(nameof(Distortions))]
    public void A_broken_engine_is_found(string distortion, string finding)
    {
        for (var seed = 1UL; seed <= 2_000; seed++)
        {
            var broken = new Distortion(distortion, RandomWorlds.Make(seed));
            try
            {
                RandomWorlds.Check(seed, broken.Apply);
            }
            catch (BrokenPromiseException e) when (broken.HasStruck)
            {
                Assert.StartsWith($"Seed {seed}: ", e.Message, StringComparison.Ordinal);
                Assert.EndsWith($"\nAgain: ./test --seed {seed}", e.Message, StringComparison.Ordinal);
                Assert.Matches(finding, e.Message.Split(". What happened")[0]);
                return;
            }
        }

        Assert.Fail("no world showed it");
    }

    [Fact]
    public void The_same_seed_gives_the_same_world()
    {
        Assert.Equal(RandomWorlds.Check(5), RandomWorlds.Check(5));
    }

    /// <summary>The worlds are only worth something when all that can go wrong does.</summary>
    [Fact]
    public void The_worlds_are_full_of_trouble()
    {
        var seen = new HashSet<string>();
        for (var seed = 1UL; seed <= 60; seed++)
        {
            var plan = RandomWorlds.Make(seed);
            var world = new World(plan, new TroubleWatch(seen));
            world.Run(null, TestContext.Current.CancellationToken);

            Note(seen, world.Totals.Evictions > 0, "eviction");
            Note(seen, world.Totals.FailedStarts > 0, "failed start");
            Note(seen, world.Totals.TimedOut > 0, "run time-out");
            Note(seen, world.Totals.Crashed > 0, "crash for good");
            Note(seen, world.Totals.Retries > 0, "retry");
            Note(seen, world.Totals.CallersLeft > 0, "caller left");
            Note(seen, world.Totals.LostWithMachine > 0, "lost with its machine");
            Note(seen, world.Totals.Unreachable > 0, "unreachable");
            Note(seen, plan.Runs.Knee > 0 && world.Totals.Answered > 0, "knee");
            Note(seen, plan.Endpoints.Any(e => e.Spec is { IsConcurrencyUnlimited: true, MaxInstances: > 1 }) && world.Totals.Answered > 0, "drawn");
        }

        Assert.Superset(
            new HashSet<string>
            {
                "eviction", "failed start", "run time-out", "crash for good", "retry", "caller left", "InstanceLost", "InstanceHeld", "InstanceAdmitted", "AnswerLeft", "InstanceDeclined", "FloorChanged", "Drain", "Resume", "expecting", "GiveWay", "pressing", "deferred",
                "StartTimedOut", "Suspect", "QueueFull", "QueueTimeout", "StartTimeout", "StartFailed", "NoCapacity", "Cold", "Queued", "Warm",
                "CallerDeadline", "lost with its machine", "unreachable", "knee", "shared run", "drawn", "held for Memory", "held for Cpu", "held for StartsAtOnce", "held for StartRate",
            },
            seen);
    }

    private static void Note(HashSet<string> seen, bool isSo, string what)
    {
        if (isSo)
        {
            seen.Add(what);
        }
    }

    private sealed class TroubleWatch(HashSet<string> seen) : WorldWatch
    {
        public override void SharedRunsBegan(int endpoint, InstanceId instance, int largest, int runs, Core.MonotonicTime now) => Note(seen, largest > 1, "shared run");

        public override void Applied(int endpoint, in RevisionEvent @event, Core.MonotonicTime now, RevisionEffects effects)
        {
            seen.Add(@event.Kind.ToString());
            effects.Stops.ForEach(s => seen.Add(s.Reason.ToString()));
            Note(seen, effects.Starts.Exists(s => s.IsExpecting), "expecting");
            Note(seen, @event.Kind == RevisionEventKind.InstanceHeld, $"held for {@event.Hold}");
            Note(seen, effects.Pressing is not null, "pressing");
            Note(seen, @event.Kind == RevisionEventKind.Arrived && @event.Wishes.IsDeferred, "deferred");
            effects.Refusals.ForEach(r => seen.Add(r.Kind.ToString()));
            effects.Grants.ForEach(g => seen.Add(g.Kind.ToString()));
        }
    }
}
