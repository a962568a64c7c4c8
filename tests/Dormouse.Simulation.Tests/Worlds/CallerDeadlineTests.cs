using Dormouse.Core.Dispatch;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Worlds;
using static Dormouse.Simulation.Tests.Worlds.TestWorlds;

namespace Dormouse.Simulation.Tests.Worlds;

public sealed class CallerDeadlineTests
{
    [Fact]
    public void Who_cannot_be_served_in_time_is_refused_and_the_start_serves_the_next()
    {
        // A start takes 30 ms: the first waits in vain, the second is told at once, and the third finds what was started for it.
        var totals = Run(Plan(40, Spec, 1, 20, 20.5) with { Callers = Within(10) });

        Assert.Equal((2, 1), (totals.Refusals(RefusalKind.CallerDeadline), totals.Answered));
    }

    [Fact]
    public void Who_has_the_time_waits()
    {
        var totals = Run(Plan(40, Spec, 1, 20) with { Callers = Within(31) });

        Assert.Equal((0, 2), (totals.Refused, totals.Answered));
    }

    [Fact]
    public void A_share_of_the_callers_names_one()
    {
        var totals = Run(Plan(400, Spec with { IdleTimeout = TimeSpan.Zero }, [.. Enumerable.Range(1, 300).Select(i => (double)i)]) with { Callers = Within(10) with { WithDeadline = 0.5 } });

        Assert.InRange(totals.Refusals(RefusalKind.CallerDeadline), 110, 190);
    }

    private static CallerPlan Within(int milliseconds) => new() { WithDeadline = 1, Deadline = new Spread.Always(TimeSpan.FromMilliseconds(milliseconds)) };
}
