using Dormouse.Core.Endpoints;
using Dormouse.Simulation.Comparing;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Tests.Comparing;

public sealed class ComparisonTests
{
    private static readonly Grounds Grounds = new() { Seed = 1 };

    [Fact]
    public void A_longer_keep_alive_starts_less_and_holds_more()
    {
        var load = Load();

        var quick = Run(load, Policy.Default);
        var patient = Run(load, Policy.FixedTenMinutes);

        Assert.Equal(quick.Totals.Invocations, patient.Totals.Invocations);
        Assert.True(quick.Totals.ColdGrants > 2 * patient.Totals.ColdGrants);
        Assert.True(quick.Totals.GibSeconds < patient.Totals.GibSeconds);
    }

    [Fact]
    public void Spare_capacity_starts_before_the_burst_that_needs_it()
    {
        var load = new Profile
        {
            Shape = ProfileShape.Bursty,
            Endpoints = 4,
            Rate = 8,
            Duration = TimeSpan.FromHours(1),
            RunTime = new Spread.Always(TimeSpan.FromMilliseconds(400)),
        }.ToLoad();
        var wishes = new RevisionWishes { Concurrency = 4, MaxInstances = 8, IdleTimeout = "30s" };

        var without = Run(load, new Policy("none", wishes)).Totals;
        var with = Run(load, new Policy("spare", wishes with { SpareInstances = 2 })).Totals;

        Assert.True(with.ColdGrants < 0.7 * without.ColdGrants, $"{with.ColdGrants} cold with, {without.ColdGrants} without");
        Assert.True(with.GibSeconds > without.GibSeconds);
    }

    [Fact]
    public void A_target_keeps_what_the_load_asks_for_over_the_gaps_of_a_burst()
    {
        var load = new Profile
        {
            Shape = ProfileShape.Bursty,
            Endpoints = 4,
            Rate = 8,
            Duration = TimeSpan.FromHours(1),
            RunTime = new Spread.Always(TimeSpan.FromMilliseconds(400)),
        }.ToLoad();
        var wishes = new RevisionWishes { Concurrency = 2, MaxInstances = 8, IdleTimeout = "2s" };

        var without = Run(load, new Policy("none", wishes)).Totals;
        var with = Run(load, new Policy("target", wishes with { TargetUtilization = 0.7 })).Totals;

        Assert.True(with.ColdGrants < 0.7 * without.ColdGrants, $"{with.ColdGrants} cold with, {without.ColdGrants} without");
        Assert.True(with.IdleStops < without.IdleStops);
    }

    [Fact]
    public void The_same_comparison_gives_the_same_result()
    {
        Assert.Equal(Run(Load(), Policy.Default).Totals.MibTicks, Run(Load(), Policy.Default).Totals.MibTicks);
    }

    [Fact]
    public void The_memory_of_a_trace_is_its_endpoints_unless_the_policy_says_otherwise()
    {
        var load = Load();
        var spoken = load with { Endpoints = [.. load.Endpoints.Select((e, i) => e with { MemoryMib = i == 0 ? 10 : 300 })] };

        Assert.Equal([64, 300], Comparison.Specs(spoken, Policy.Default, Grounds).Select(s => s.MemoryMib).Distinct());
        Assert.Equal([128], Comparison.Specs(spoken, new Policy("p", new RevisionWishes { Memory = "128MiB" }), Grounds).Select(s => s.MemoryMib).Distinct());
        Assert.Equal([512], Comparison.Specs(load, Policy.Default, Grounds).Select(s => s.MemoryMib).Distinct());
    }

    [Fact]
    public void Settings_that_are_not_allowed_are_named()
    {
        var policy = new Policy("odd", new RevisionWishes { IdleTimeout = "soon", MaxInstances = 0 });

        var refused = Assert.Throws<PolicyException>(() => Comparison.Specs(Load(), policy, Grounds));

        Assert.Contains("The policy 'odd' cannot be used.", refused.Message, StringComparison.Ordinal);
        Assert.Contains("idle_timeout is 'soon'", refused.Message, StringComparison.Ordinal);
        Assert.Contains("max_instances is 0", refused.Message, StringComparison.Ordinal);
    }

    private static PolicyResult Run(LoadPlan load, Policy policy) => Comparison.Run(load, policy, Grounds, null, TestContext.Current.CancellationToken);

    private static LoadPlan Load() => new Profile
    {
        Shape = ProfileShape.Steady,
        Endpoints = 20,
        Rate = 0.1,
        Duration = TimeSpan.FromHours(6),
        RunTime = new Spread.Always(TimeSpan.FromMilliseconds(100)),
    }.ToLoad();
}
