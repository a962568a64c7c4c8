using CsCheck;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Tests.Scaling;

public sealed class AutoscalerTests
{
    private static readonly AutoscalerPolicy Policy = new() { CapacityPerInstance = 10, TargetPerInstance = 7 };

    [Theory]
    // The stable window rules while there is no burst.
    [InlineData(20, 20, 3, 3, false)]
    [InlineData(14, 14, 2, 2, false)]
    [InlineData(14.1, 14.1, 2, 3, false)]
    // 200 % of what is ready: a burst, and the short window rules.
    [InlineData(20, 42, 3, 6, true)]
    [InlineData(20, 35, 3, 3, false)]
    // Nothing is ready: one is taken for it.
    [InlineData(0, 14, 0, 2, true)]
    // Half of what is ready at most goes at once.
    [InlineData(1, 1, 9, 4, false)]
    [InlineData(0, 0, 1, 0, false)]
    public void The_count_follows_the_load(double stable, double panic, int ready, int expected, bool isPanic)
    {
        var decision = Autoscaler.Decide(Policy, AutoscalerState.Initial, new AutoscalerSample(100, stable, panic, ready));

        Assert.Equal((expected, isPanic), (decision.Instances, decision.IsPanic));
    }

    [Fact]
    public void A_panic_ends_one_stable_window_after_the_last_breach()
    {
        var burst = Autoscaler.Decide(Policy, AutoscalerState.Initial, new AutoscalerSample(10, 40, 40, 1));

        var last = Autoscaler.Decide(Policy, burst.Next, new AutoscalerSample(70, 7, 7, 6));
        var after = Autoscaler.Decide(Policy, last.Next, new AutoscalerSample(71, 7, 7, 6));

        Assert.Equal((6, true, 6), (last.Instances, last.IsPanic, last.PanicInstances));
        Assert.Equal((3, false, 0), (after.Instances, after.IsPanic, after.PanicInstances));
    }

    [Fact]
    public void The_count_never_falls_in_a_panic()
    {
        var burst = Autoscaler.Decide(Policy, AutoscalerState.Initial, new AutoscalerSample(10, 70, 70, 1));

        var later = Autoscaler.Decide(Policy, burst.Next, new AutoscalerSample(12, 1, 1, 10));

        Assert.Equal(10, later.Instances);
    }

    [Fact]
    public void One_decision_grows_by_the_up_rate_at_most()
    {
        var decision = Autoscaler.Decide(Policy with { ScaleUpRateMax = 2 }, AutoscalerState.Initial, new AutoscalerSample(10, 700, 700, 3));

        Assert.Equal(6, decision.Instances);
    }

    [Fact]
    public void Any_load_at_all_asks_for_the_activation_instances()
    {
        var policy = Policy with { ActivationInstances = 5 };

        Assert.Equal(5, Autoscaler.Decide(policy, AutoscalerState.Initial, new AutoscalerSample(10, 0.1, 0.1, 5)).Instances);
        Assert.Equal(0, Autoscaler.Decide(policy, AutoscalerState.Initial, new AutoscalerSample(10, 0, 0, 1)).Instances);
    }

    [Theory]
    [InlineData(2, 0, 0, 0, 2)]
    [InlineData(0, 3, 100, 100, 3)]
    [InlineData(2, 3, 14, 14, 2)]
    public void The_answer_keeps_the_policys_bounds(int min, int max, double stable, double panic, int expected)
    {
        var decision = Autoscaler.Decide(Policy with { InstancesMin = min, InstancesMax = max }, AutoscalerState.Initial, new AutoscalerSample(10, stable, panic, 2));

        Assert.Equal(expected, decision.Instances);
    }

    [Fact]
    public void A_scale_down_delay_keeps_the_largest_answer_of_its_time()
    {
        var policy = Policy with { ScaleDownDelay = TimeSpan.FromSeconds(6) };
        var state = AutoscalerState.Initial;
        var counts = new List<int>();
        foreach (var (second, load) in new[] { (100, 28.0), (102, 14), (104, 7), (106, 14), (108, 7), (110, 7), (112, 7) })
        {
            var decision = Autoscaler.Decide(policy, state, new AutoscalerSample(second, load, load, 4));
            state = decision.Next;
            counts.Add(decision.Instances);
        }

        Assert.Equal([4, 4, 4, 2, 2, 2, 2], counts);
    }

    [Theory]
    [InlineData(211, 3, 5, -186)]
    [InlineData(0, 3, 5, 0)]
    [InlineData(-1, 3, 5, -1)]
    [InlineData(10, 3, 5.5, 14)]
    public void Excess_capacity_is_what_is_free_above_load_and_spare_capacity(double spare, int ready, double load, long expected)
    {
        var decision = Autoscaler.Decide(Policy with { SpareCapacity = spare }, AutoscalerState.Initial, new AutoscalerSample(10, load, load, ready));

        Assert.Equal(expected, decision.ExcessCapacity);
    }

    [Fact]
    public void Taking_over_more_than_one_instance_begins_in_panic()
    {
        var decision = Autoscaler.Decide(Policy, AutoscalerState.TakingOver(5, 0), new AutoscalerSample(2, 7, 7, 5));

        Assert.Equal((5, true), (decision.Instances, decision.IsPanic));
        Assert.Null(AutoscalerState.TakingOver(1, 0).PanicSince);
    }

    [Fact]
    public void More_load_never_asks_for_fewer_instances() =>
        Gen.Select(Gen.Double[0, 1_000], Gen.Double[0, 1_000], Gen.Int[0, 50], Gen.Double[0, 100]).Sample((stable, panic, ready, more) =>
        {
            var less = Autoscaler.Decide(Policy, AutoscalerState.Initial, new AutoscalerSample(10, stable, panic, ready));
            var greater = Autoscaler.Decide(Policy, AutoscalerState.Initial, new AutoscalerSample(10, stable + more, panic + more, ready));

            Assert.True(greater.Instances >= less.Instances);
        });
}
