using Dormouse.Core.Endpoints;
using Dormouse.Simulation.Comparing;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Simulation.Tests.Comparing;

public sealed class KeepAliveCurveTests
{
    private static readonly LoadPlan Load = new Profile
    {
        Shape = ProfileShape.Steady,
        Endpoints = 20,
        Rate = 0.2,
        Duration = TimeSpan.FromHours(12),
        RunTime = new Spread.Always(TimeSpan.FromMilliseconds(100)),
    }.ToLoad();

    private static readonly Dictionary<Policy, PolicyResult> Known = [];

    private static readonly Grounds Grounds = new() { Seed = 1, Machine = new MachinePlan { BudgetMib = 1 << 20 } };

    [Fact]
    public void Each_policy_has_a_point_for_each_setting_and_more_time_means_more_memory()
    {
        var results = KeepAliveCurve.Policies.Select(Run).ToList();

        Assert.Equal(3 * KeepAliveCurve.Times.Length, results.Count);
        Assert.Equal(["learned", "fixed", "knative"], results.Select(r => r.Policy.Name.Split(' ')[0]).Distinct());
        foreach (var curve in results.GroupBy(r => r.Policy.Name.Split(' ')[0]).Where(c => c.Key != "learned"))
        {
            Assert.Equal(curve.OrderBy(r => r.Totals.GibSeconds).Select(r => r.Policy.Name), curve.Select(r => r.Policy.Name));
        }
    }

    [Fact]
    public void At_equal_memory_no_more_memory_is_held_and_a_bit_more_time_would_hold_more()
    {
        foreach (var rival in KeepAliveCurve.Rivals)
        {
            var match = KeepAliveCurve.Match(Run(rival), Run);

            var (ours, theirs) = (match.AtMemory.Result.Totals, match.Rival.Totals);
            Assert.InRange(ours.GibSeconds, 0.9 * theirs.GibSeconds, 1.001 * theirs.GibSeconds);
            Assert.True(ours.ColdGrants < theirs.ColdGrants, $"{ours.ColdGrants} with {match.AtMemory.IdleTimeout}, {rival.Name} {theirs.ColdGrants}");
        }
    }

    [Fact]
    public void At_equal_cold_starts_no_more_of_them_happen_and_a_bit_less_time_would_have_more()
    {
        foreach (var rival in KeepAliveCurve.Rivals)
        {
            var match = KeepAliveCurve.Match(Run(rival), Run);

            Assert.NotNull(match.AtColdStarts);
            var (ours, theirs) = (match.AtColdStarts.Result.Totals, match.Rival.Totals);
            Assert.InRange(ours.ColdGrants, 0.9 * theirs.ColdGrants, theirs.ColdGrants);
            Assert.True(ours.GibSeconds < theirs.GibSeconds, $"{ours.GibSeconds} with {match.AtColdStarts.IdleTimeout}, {rival.Name} {theirs.GibSeconds}");
            Assert.True(match.AtColdStarts.IdleTimeout <= match.AtMemory.IdleTimeout);
        }
    }

    [Fact]
    public void Cold_starts_that_nothing_comes_down_to_are_told_as_such()
    {
        // Instances that are there from the beginning: no call is cold, and with every idle time-out the first one is.
        var rival = Run(new Policy("always there", new RevisionWishes { MinInstances = 1 }));

        Assert.Equal(0, rival.Totals.ColdGrants);
        Assert.Null(KeepAliveCurve.Match(rival, Run).AtColdStarts);
    }

    /// <summary>Runs the load under a policy, once for all tests.</summary>
    private static PolicyResult Run(Policy policy) =>
        Known.TryGetValue(policy, out var result) ? result : Known[policy] = Comparison.Run(Load, policy, Grounds, null, TestContext.Current.CancellationToken);
}
