using Dormouse.Simulation.Comparing;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Simulation.Tests.Comparing;

public sealed class KeepAliveCurveTests
{
    private static readonly Grounds Grounds = new() { Seed = 1, Machine = new MachinePlan { BudgetMib = 1 << 20 } };

    [Fact]
    public void Each_policy_has_a_point_for_each_setting_and_more_time_means_more_memory()
    {
        var load = Load();

        var results = KeepAliveCurve.Policies.Select(p => Comparison.Run(load, p, Grounds, null, TestContext.Current.CancellationToken)).ToList();

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
        var load = Load();
        PolicyResult Run(Policy policy) => Comparison.Run(load, policy, Grounds, null, TestContext.Current.CancellationToken);

        foreach (var rival in KeepAliveCurve.Rivals)
        {
            var match = KeepAliveCurve.At(Run(rival), Run);

            Assert.InRange(match.Learned.Totals.GibSeconds, 0.9 * match.Rival.Totals.GibSeconds, 1.001 * match.Rival.Totals.GibSeconds);
            Assert.True(match.Learned.Totals.ColdGrants < match.Rival.Totals.ColdGrants, $"{match.Learned.Totals.ColdGrants} with {match.IdleTimeout}, {rival.Name} {match.Rival.Totals.ColdGrants}");
        }
    }

    private static LoadPlan Load() => new Profile
    {
        Shape = ProfileShape.Steady,
        Endpoints = 20,
        Rate = 0.2,
        Duration = TimeSpan.FromHours(12),
        RunTime = new Spread.Always(TimeSpan.FromMilliseconds(100)),
    }.ToLoad();
}
