using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>When an engine has files read ahead of a call. The rule itself: <c>PrefetchRuleTests</c>.</summary>
public sealed class PrefetchTests
{
    private static readonly RevisionSpec Fixed = EngineHarness.Spec with { KeepAlive = KeepAliveMode.Fixed, IdleTimeout = TimeSpan.FromSeconds(60) };

    [Fact]
    public void With_a_fixed_idle_time_out_files_are_read_before_the_call_that_gaps_make_likely_and_only_once()
    {
        var world = CalledEveryTenMinutes(Fixed);
        var quietSince = world.Now;
        var stopped = world.After(60_000).Wake();
        Assert.Null(stopped.Prefetch);
        world.Gone(Assert.Single(stopped.Stops).Instance);
        Assert.False(world.Engine.IsEmpty);
        Assert.InRange((world.Effects.WakeAt - quietSince).TotalSeconds, 511, 513);

        WakeWhenWanted(world);

        Assert.StartsWith("a call that has not come after 8.53 min", world.Effects.Prefetch, StringComparison.Ordinal);
        Assert.Empty(world.Effects.Starts);
        Assert.Empty(world.Effects.Changes);
        Assert.True(world.Engine.IsEmpty);
        Assert.Equal(MonotonicTime.Never, world.Effects.WakeAt);
        Assert.Null(world.After(10_000).Wake().Prefetch);
    }

    [Fact]
    public void Each_idle_time_has_its_own()
    {
        var world = CalledEveryTenMinutes(Fixed);
        Stop(world);
        WakeWhenWanted(world);
        Assert.NotNull(world.Effects.Prefetch);

        world.After(80_000);
        world.WarmUp();
        Stop(world);
        WakeWhenWanted(world);

        Assert.NotNull(world.Effects.Prefetch);
    }

    [Fact]
    public void Where_an_instance_is_started_for_the_call_its_start_reads_the_files()
    {
        var world = CalledEveryTenMinutes(EngineHarness.Spec with { KeepAlive = KeepAliveMode.Learned });
        world.Gone(Assert.Single(world.After(12_000).Wake().Stops).Instance);

        WakeWhenWanted(world);

        Assert.True(Assert.Single(world.Effects.Starts).IsExpecting);
        Assert.Null(world.Effects.Prefetch);
    }

    [Fact]
    public void Where_there_is_no_room_for_that_instance_its_files_are_read_at_least()
    {
        var world = CalledEveryTenMinutes(EngineHarness.Spec with { KeepAlive = KeepAliveMode.Learned });
        world.Gone(Assert.Single(world.After(12_000).Wake().Stops).Instance);
        WakeWhenWanted(world);

        world.Apply(RevisionEvent.InstanceDeclined(Assert.Single(world.Effects.Starts).Instance));

        Assert.Equal("there was no room to start an instance for it: 100 % of 12 gaps are from 9.31 min to 10.1 min", world.Effects.Prefetch);
        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void A_revision_without_traffic_has_nothing_read()
    {
        var world = CalledEveryTenMinutes(Fixed);
        Stop(world);

        world.Apply(RevisionEvent.Of(RevisionEventKind.Drain));

        Assert.Null(world.Effects.Prefetch);
        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void While_an_instance_is_there_nothing_is_read()
    {
        var world = CalledEveryTenMinutes(Fixed with { MinInstances = 1 });
        for (var i = 0; i < 20; i++)
        {
            Assert.Null(world.After(60_000).Wake().Prefetch);
        }
    }

    private static void Stop(EngineHarness world) => world.Gone(Assert.Single(world.After(60_000).Wake().Stops).Instance);

    private static void WakeWhenWanted(EngineHarness world) => world.After((world.Effects.WakeAt - world.Now).TotalMilliseconds).Wake();

    /// <summary>Twelve gaps of ten minutes; the thirteenth invocation has just ended.</summary>
    private static EngineHarness CalledEveryTenMinutes(RevisionSpec spec)
    {
        var world = new EngineHarness(spec);
        for (var i = 0; i < 12; i++)
        {
            world.Engine.Idle.Gaps.Record(TimeSpan.FromMinutes(10));
        }

        world.WarmUp();
        return world;
    }
}
