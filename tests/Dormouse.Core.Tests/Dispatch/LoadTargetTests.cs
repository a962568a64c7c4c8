using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>The harness begins at a whole second.</summary>
public sealed class LoadTargetTests
{
    private static readonly RevisionSpec Half = EngineHarness.Spec with { Concurrency = 4, TargetUtilization = 0.5, IdleTimeout = TimeSpan.FromSeconds(5) };

    [Fact]
    public void A_load_above_the_target_starts_the_next_instance_and_says_why()
    {
        var world = Started(Half, out var first);
        Run(world, 3);

        var start = Assert.Single(Pass(world, 2, until: e => e.Starts.Count > 0).Starts);

        Assert.NotEqual(first, start.Instance);
        Assert.True(start.IsExpecting);
        Assert.Matches("^load of [0-9.]+ on average, target 2 an instance: 2 instances, 1 there$", Assert.Single(world.Effects.Changes).Reason);
    }

    [Fact]
    public void A_load_at_the_target_starts_nothing()
    {
        var world = Started(Half, out _);
        Run(world, 2);

        Assert.Empty(Pass(world, 120, until: e => e.Starts.Count > 0).Starts);
    }

    [Fact]
    public void An_idle_instance_stays_while_the_load_of_the_last_minute_asks_for_it()
    {
        var world = Started(Half, out _);
        var leases = Run(world, 4);
        var second = Pass(world, 4, until: e => e.Starts.Count > 0).Starts[0].Instance;
        world.Ready(second);
        Pass(world, 60);
        leases.ForEach(l => world.End(l));

        var ended = world.Now;
        Pass(world, 200, until: e => e.Stops.Count > 0);
        Assert.InRange((world.Now - ended).TotalSeconds, 20, 45); // The average falls below one instance's target.
        Pass(world, 200, until: e => e.Stops.Count > 0);

        Assert.InRange((world.Now - ended).TotalSeconds, 58, 66); // The last minute holds nothing.
        Assert.Equal(MonotonicTime.Never, world.Wake().WakeAt);
    }

    [Fact]
    public void A_scale_down_delay_keeps_the_largest_answer_longer()
    {
        var world = Started(Half with { TargetUtilization = null, ScaleDownDelay = TimeSpan.FromSeconds(100) }, out _);
        var lease = Run(world, 1)[0];
        Pass(world, 10);
        world.End(lease);

        var ended = world.Now;
        Pass(world, 400, until: e => e.Stops.Count > 0);

        Assert.InRange((world.Now - ended).TotalSeconds, 155, 170);
    }

    [Fact]
    public void Without_a_target_the_idle_time_out_alone_counts()
    {
        var world = Started(Half with { TargetUtilization = null }, out _);
        var lease = Run(world, 1)[0];
        Pass(world, 30);
        world.End(lease);

        Assert.Single(world.After(5_000).Wake().Stops);
    }

    [Fact]
    public void The_machine_takes_back_what_only_the_load_asks_for()
    {
        var world = Started(Half, out var first);
        var lease = Run(world, 1)[0];
        Pass(world, 10);
        world.End(lease);

        Assert.Single(world.After(1).Apply(RevisionEvent.Evict(first)).Stops);
    }

    [Theory]
    [InlineData(null, null, 70)]
    [InlineData(20.0, null, 14)]
    [InlineData(20.0, 0.5, 10)]
    [InlineData(null, 0.5, 50)]
    public void Without_a_limit_the_target_is_Knatives(double? concurrent, double? utilization, double target) =>
        Assert.Equal(target, new LoadTarget(new RevisionSpec { Runtime = "onnx", Concurrency = 1_000, IsConcurrencyUnlimited = true, TargetConcurrency = concurrent, TargetUtilization = utilization }).TargetPerInstance, 9);

    [Theory]
    [InlineData(2.0, 2)]
    [InlineData(9.0, 4)]
    public void A_concurrency_target_counts_up_to_the_slots(double concurrent, double target) =>
        Assert.Equal(target, new LoadTarget(new RevisionSpec { Runtime = "onnx", Concurrency = 4, TargetConcurrency = concurrent }).TargetPerInstance);

    [Fact]
    public void Calls_a_second_are_counted_however_short_they_are()
    {
        var world = Started(Half with { TargetUtilization = null, TargetRps = 2 }, out _);

        var start = CallEvery(world, 200, 60, until: e => e.Starts.Count > 0).Starts;

        Assert.NotEmpty(start);
        Assert.Matches("^load of [0-9.]+ calls a second on average, target 2 an instance: [23] instances, 1 there$", world.Effects.Changes[^1].Reason);
    }

    [Fact]
    public void A_utilization_is_a_share_of_the_calls_a_second()
    {
        var whole = Started(Half with { TargetUtilization = null, TargetRps = 6 }, out _);
        var half = Started(Half with { TargetUtilization = 0.5, TargetRps = 6 }, out _);

        Assert.Empty(CallEvery(whole, 200, 60, until: e => e.Starts.Count > 0).Starts);
        Assert.NotEmpty(CallEvery(half, 200, 60, until: e => e.Starts.Count > 0).Starts);
    }

    [Fact]
    public void Without_calls_a_count_of_calls_comes_to_rest()
    {
        var world = Started(Half with { TargetUtilization = null, TargetRps = 2 }, out _);
        CallEvery(world, 200, 20);

        Pass(world, 300);

        Assert.Equal(MonotonicTime.Never, world.Wake().WakeAt);
        Assert.Empty(world.Sample.Instances.Where(i => i.State == InstanceState.Ready));
    }

    [Theory]
    [InlineData(20, 18, 26)]
    [InlineData(120, 115, 128)]
    public void The_stable_window_says_how_long_a_load_is_remembered(int seconds, int from, int to)
    {
        var world = Started(Half with { StableWindow = TimeSpan.FromSeconds(seconds) }, out _);
        var lease = Run(world, 1)[0];
        Pass(world, 150);
        world.End(lease);

        var ended = world.Now;
        Pass(world, 400, until: e => e.Stops.Count > 0);

        Assert.InRange((world.Now - ended).TotalSeconds, from, to);
    }

    [Theory]
    [InlineData(6, 1.5, true)]
    [InlineData(6, 10, false)]
    [InlineData(60, 1.5, false)]
    public void Panic_window_and_threshold_say_what_a_burst_is(int panicSeconds, double threshold, bool isBurst)
    {
        var spec = Half with { MaxInstances = 8, PanicWindow = TimeSpan.FromSeconds(panicSeconds), PanicThreshold = threshold };
        var world = Started(spec, out _);
        var quiet = Run(world, 1)[0];
        Pass(world, 60);
        Run(world, 3);

        var start = Pass(world, 8, until: e => e.Starts.Count > 0).Starts;

        Assert.Equal(isBurst, start.Count > 0);
        world.End(quiet);
    }

    [Theory]
    [InlineData(1000, 3)]
    [InlineData(2, 1)]
    public void The_rate_up_bounds_what_the_load_asks_for_at_once(double rate, int started)
    {
        var world = Started(Half with { MaxInstances = 8, TargetUtilization = 0.25, MaxScaleUpRate = rate }, out _);
        Run(world, 4);

        Assert.Equal(started, Pass(world, 4, until: e => e.Starts.Count > 0).Starts.Count);
    }

    [Fact]
    public void The_rate_down_lets_the_answer_fall_step_by_step_and_to_rest()
    {
        var world = Started(Half with { MaxInstances = 8, TargetUtilization = 0.25, MaxScaleDownRate = 2, MinInstances = 1 }, out _);
        var leases = Run(world, 4);
        Pass(world, 4, until: e => e.Starts.Count > 0).Starts.ConvertAll(s => s.Instance).ForEach(i => world.Ready(i));
        Pass(world, 60);
        leases.ForEach(l => world.End(l));

        Pass(world, 400);

        Assert.Single(world.Sample.Instances, i => i.State == InstanceState.Ready);
        Assert.Equal(MonotonicTime.Never, world.Wake().WakeAt);
    }

    [Fact]
    public void A_call_at_zero_starts_the_activation_instances_and_they_stay_while_there_is_load()
    {
        var world = new EngineHarness(EngineHarness.Spec with { ActivationInstances = 3, IdleTimeout = TimeSpan.FromSeconds(5) });
        world.Arrive();
        var starts = world.Effects.Starts.ConvertAll(s => s.Instance);
        Assert.Equal(3, starts.Count);
        Assert.EndsWith(", activation_instances is 3", Assert.Single(world.Effects.Changes).Reason, StringComparison.Ordinal);

        starts.ForEach(i => world.After(5).Ready(i));
        Pass(world, 60);

        Assert.Equal(3, world.Sample.Instances.Count(i => i.State == InstanceState.Ready));
    }

    [Fact]
    public void The_last_instance_stays_for_the_grace_once_nothing_else_keeps_it()
    {
        var plain = Started(EngineHarness.Spec with { IdleTimeout = TimeSpan.FromSeconds(5) }, out _);
        var graced = Started(EngineHarness.Spec with { IdleTimeout = TimeSpan.FromSeconds(5), ScaleToZeroGrace = TimeSpan.FromSeconds(30) }, out _);
        var loaded = Started(Half with { ScaleToZeroGrace = TimeSpan.FromSeconds(30) }, out _);
        var lease = Run(loaded, 1)[0];
        Pass(loaded, 100);
        loaded.End(lease);

        Assert.InRange(Stopped(plain), 4.9, 5.1);
        Assert.InRange(Stopped(graced), 34.9, 35.1);
        Assert.InRange(Stopped(loaded), 88, 98);
    }

    [Fact]
    public void A_new_revision_starts_its_initial_instances_once_and_without_callers()
    {
        var world = new EngineHarness(EngineHarness.Spec with { InitialInstances = 2, IdleTimeout = TimeSpan.FromSeconds(5) });

        var starts = world.Apply(RevisionEvent.Of(RevisionEventKind.Begin)).Starts.ConvertAll(s => s.Instance);

        Assert.Equal(2, starts.Count);
        Assert.Equal("initial_instances is 2, 0 there", Assert.Single(world.Effects.Changes).Reason);
        starts.ForEach(i => world.After(1).Ready(i));
        Pass(world, 30);
        Assert.Empty(world.Sample.Instances.Where(i => i.State == InstanceState.Ready));
        Assert.Empty(world.Apply(RevisionEvent.Of(RevisionEventKind.Begin)).Starts);
    }

    /// <summary>Seconds until the last instance is stopped.</summary>
    private static double Stopped(EngineHarness world)
    {
        var from = world.Now;
        Pass(world, 300, until: e => e.Stops.Count > 0);
        return (world.Now - from).TotalSeconds;
    }

    /// <summary>Short calls, one after another, until something happens or the seconds are over.</summary>
    private static RevisionEffects CallEvery(EngineHarness world, int milliseconds, int seconds, Predicate<RevisionEffects>? until = null)
    {
        for (var end = world.Now + TimeSpan.FromSeconds(seconds); world.Now < end;)
        {
            var lease = world.ArriveAndGet();
            if (until?.Invoke(world.Effects) is true || until?.Invoke(world.After(1).End(lease)) is true)
            {
                break;
            }

            if (until is null)
            {
                world.After(1).End(lease);
            }

            world.After(milliseconds - 1);
        }

        return world.Effects;
    }

    private static EngineHarness Started(RevisionSpec spec, out Core.Instances.InstanceId first)
    {
        var world = new EngineHarness(spec);
        world.Arrive();
        first = world.Effects.Starts[0].Instance;
        world.End(Assert.Single(world.After(5).Ready(first).Grants).Lease);
        return world;
    }

    private static List<SlotLease> Run(EngineHarness world, int count) => [.. Enumerable.Range(0, count).Select(_ => world.ArriveAndGet())];

    /// <summary>Wakes the engine whenever it asks for it, until something happens or the seconds are over.</summary>
    private static RevisionEffects Pass(EngineHarness world, int seconds, Predicate<RevisionEffects>? until = null)
    {
        var end = world.Now + TimeSpan.FromSeconds(seconds);
        while (world.Effects.WakeAt <= end)
        {
            world.After((world.Effects.WakeAt - world.Now).TotalMilliseconds).Wake();
            if (until?.Invoke(world.Effects) is true)
            {
                return world.Effects;
            }
        }

        world.After((end - world.Now).TotalMilliseconds).Wake();
        return world.Effects;
    }
}
