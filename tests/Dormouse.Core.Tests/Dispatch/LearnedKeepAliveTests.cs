using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>What an engine does with the last idle instance when the gaps between invocations have taught it something. The rule itself: <c>KeepAliveRuleTests</c>.</summary>
public sealed class LearnedKeepAliveTests
{
    private static readonly RevisionSpec Learned = EngineHarness.Spec with { KeepAlive = KeepAliveMode.Learned };

    /// <summary>0.95 × the bin's start of 558.3 s, less the start's 5 ms.</summary>
    private static readonly TimeSpan Again = TimeSpan.FromSeconds((0.95 * 1024 * Math.Pow(2, -7 / 8.0)) - 0.005);

    [Fact]
    public void While_nothing_is_learned_the_idle_time_out_counts_and_says_why()
    {
        var world = new EngineHarness(Learned);
        world.WarmUp();

        var stopped = world.After(60_000).Wake();

        Assert.Single(stopped.Stops);
        Assert.Equal("idle for 60 s (keep-alive 60 s: too few samples to learn from)", Assert.Single(stopped.Changes).Reason);
    }

    [Fact]
    public void Long_gaps_stop_the_instance_soon_and_start_one_before_the_next_invocation()
    {
        var world = CalledEveryTenMinutes();
        var quietSince = world.Now;

        var stopped = world.After(12_000).Wake();
        Assert.Equal(StopReason.Idle, Assert.Single(stopped.Stops).Reason);
        Assert.Equal("idle for 12 s (keep-alive 11.3 s: 100 % of 12 gaps are from 9.31 min to 10.1 min)", Assert.Single(stopped.Changes).Reason);
        world.Gone(stopped.Stops[0].Instance);
        Assert.False(world.Engine.IsEmpty);
        Assert.True((quietSince + Again - world.Effects.WakeAt).Duration() < TimeSpan.FromMilliseconds(1));

        world.After((world.Effects.WakeAt - world.Now).TotalMilliseconds).Wake();
        var start = Assert.Single(world.Effects.Starts);
        Assert.True(start.IsExpecting);
        Assert.Equal("quiet for 8.84 min and an invocation is expected: 100 % of 12 gaps are from 9.31 min to 10.1 min", Assert.Single(world.Effects.Changes).Reason);
        world.After(5).Ready(start.Instance);
        Assert.Empty(world.After(70_000).Wake().Stops);

        world.Arrive();
        Assert.Equal(StartKind.Warm, Assert.Single(world.Effects.Grants).Kind);
    }

    [Fact]
    public void When_the_expected_invocation_does_not_come_nothing_is_left()
    {
        var world = CalledEveryTenMinutes();
        var quietSince = world.Now;
        world.Gone(Assert.Single(world.After(12_000).Wake().Stops).Instance);
        var start = Assert.Single(world.After((world.Effects.WakeAt - world.Now).TotalMilliseconds).Wake().Starts);
        world.After(5).Ready(start.Instance);

        var until = world.Effects.WakeAt;
        Assert.InRange((until - quietSince).TotalSeconds, 608, 609);
        world.Gone(Assert.Single(world.After((until - world.Now).TotalMilliseconds).Wake().Stops).Instance);

        Assert.True(world.Engine.IsEmpty);
        Assert.Equal(MonotonicTime.Never, world.Effects.WakeAt);
    }

    [Fact]
    public void Without_room_to_spare_none_is_started_and_the_next_call_starts_one()
    {
        var world = CalledEveryTenMinutes();
        world.Gone(Assert.Single(world.After(12_000).Wake().Stops).Instance);
        var start = Assert.Single(world.After((world.Effects.WakeAt - world.Now).TotalMilliseconds).Wake().Starts);

        world.Apply(RevisionEvent.InstanceDeclined(start.Instance));

        Assert.Equal((1, 0, "an invocation is expected, but the machine has no room to spare"), Assert.Single(world.Effects.Changes) is var c ? (c.From, c.To, c.Reason) : default);
        Assert.Equal(MonotonicTime.Never, world.Effects.WakeAt);
        Assert.True(world.Engine.IsEmpty);
        world.After(100_000).Arrive();
        Assert.False(Assert.Single(world.Effects.Starts).IsExpecting);
    }

    [Fact]
    public void A_revision_without_traffic_expects_nobody()
    {
        var world = CalledEveryTenMinutes();

        world.Gone(Assert.Single(world.Apply(RevisionEvent.Of(RevisionEventKind.Drain)).Stops).Instance);

        Assert.True(world.Engine.IsEmpty);
        Assert.Equal(MonotonicTime.Never, world.Effects.WakeAt);
    }

    [Fact]
    public void Starts_that_fail_are_not_repeated_for_nobody()
    {
        var world = CalledEveryTenMinutes();
        world.Gone(Assert.Single(world.After(12_000).Wake().Stops).Instance);
        var start = Assert.Single(world.After((world.Effects.WakeAt - world.Now).TotalMilliseconds).Wake().Starts);

        world.Fail(start.Instance);
        world.Gone(start.Instance);

        for (var i = 0; i < 5 && world.Effects.WakeAt != MonotonicTime.Never; i++)
        {
            Assert.Empty(world.After((world.Effects.WakeAt - world.Now).TotalMilliseconds).Wake().Starts);
        }

        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void The_next_engine_knows_the_gaps_and_counts_the_one_between()
    {
        var world = new EngineHarness(Learned);
        world.Gone(Stop(world));
        Assert.True(world.Engine.IsEmpty);
        var next = new RevisionEngine(EngineHarness.Revision, Learned, 2) { Idle = world.Engine.Idle };

        next.Apply(RevisionEvent.Arrived(1, world.Now + TimeSpan.FromHours(1), 0), world.Now + TimeSpan.FromMinutes(9), new RevisionEffects());

        Assert.Equal(1, next.Idle.Gaps.Count);
        Assert.Equal(1, next.Idle.Gaps[IdleGaps.Bin(TimeSpan.FromMinutes(10))]);
    }

    private static InstanceId Stop(EngineHarness world)
    {
        world.WarmUp();
        return Assert.Single(world.After(60_000).Wake().Stops).Instance;
    }

    /// <summary>Twelve gaps of ten minutes; the thirteenth invocation has just ended.</summary>
    private static EngineHarness CalledEveryTenMinutes()
    {
        var world = new EngineHarness(Learned);
        for (var i = 0; i < 12; i++)
        {
            world.Engine.Idle.Gaps.Record(TimeSpan.FromMinutes(10));
        }

        world.WarmUp();
        return world;
    }
}
