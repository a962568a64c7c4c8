using Dormouse.Core.Events;

namespace Dormouse.Core.Tests.Events;

public sealed class CronRuleTests
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Every full hour.</summary>
    private static DateTimeOffset? After(DateTimeOffset time) => new DateTimeOffset(time.Ticks / TimeSpan.TicksPerHour * TimeSpan.TicksPerHour, TimeSpan.Zero).AddHours(1);

    private static DateTimeOffset? Before(DateTimeOffset time) => new DateTimeOffset(time.Ticks / TimeSpan.TicksPerHour * TimeSpan.TicksPerHour, TimeSpan.Zero);

    [Theory]
    [InlineData(MissedRuns.Skip)]
    [InlineData(MissedRuns.Once)]
    [InlineData(MissedRuns.All)]
    public void Before_its_time_it_waits_and_at_its_time_it_fires(MissedRuns missed)
    {
        Assert.Equal(new CronStep.Wait(Noon), Next(missed, Noon.AddHours(-1), Noon.AddTicks(-1)));
        Assert.Equal(new CronStep.Fire(Noon), Next(missed, Noon.AddHours(-1), Noon));
        Assert.Equal(new CronStep.Fire(Noon), Next(missed, Noon.AddHours(-1), Noon.AddMinutes(1)));
        Assert.Equal(new CronStep.Wait(Noon.AddHours(1)), Next(missed, Noon, Noon.AddMinutes(1)));
    }

    [Fact]
    public void Missed_times_are_passed_over_made_up_for_once_or_all()
    {
        var now = Noon.AddHours(3).AddMinutes(20);

        Assert.Equal(new CronStep.Pass(Noon.AddHours(3)), Next(MissedRuns.Skip, Noon.AddHours(-1), now));
        Assert.Equal(new CronStep.Fire(Noon.AddHours(3)), Next(MissedRuns.Once, Noon.AddHours(-1), now));
        Assert.Equal([0, 1, 2, 3], All(Noon.AddHours(-1), now).Select(t => (t - Noon).TotalHours));
    }

    [Fact]
    public void When_earlier_ones_were_missed_the_one_that_is_on_time_fires_all_the_same() =>
        Assert.Equal(new CronStep.Fire(Noon.AddHours(3)), Next(MissedRuns.Skip, Noon.AddHours(-1), Noon.AddHours(3).AddSeconds(5)));

    [Fact]
    public void What_was_missed_longer_ago_than_the_bound_is_never_made_up_for()
    {
        var now = Noon.AddHours(100).AddMinutes(20);

        Assert.Equal(Enumerable.Range(77, 24), All(Noon, now).Select(t => (int)(t - Noon).TotalHours));
        Assert.Equal(new CronStep.Pass(Noon.AddHours(1)), CronRule.Next(Policy(MissedRuns.Once), Noon, Noon.AddHours(50), t => t < Noon.AddHours(1) ? Noon.AddHours(1) : null, _ => Noon.AddHours(1)));
    }

    [Fact]
    public void A_clock_that_was_set_back_fires_nothing_twice() =>
        Assert.Equal(new CronStep.Wait(Noon.AddHours(1)), Next(MissedRuns.All, Noon, Noon.AddHours(-5)));

    [Theory]
    [InlineData(MissedRuns.Skip)]
    [InlineData(MissedRuns.Once)]
    public void A_last_time_before_the_mark_is_never_fired_again(MissedRuns missed)
    {
        var step = CronRule.Next(Policy(missed), Noon, Noon.AddHours(3), t => t < Noon.AddHours(1) ? Noon.AddHours(1) : null, _ => Noon.AddHours(-23));

        Assert.Equal(missed == MissedRuns.Skip ? new CronStep.Pass(Noon.AddHours(1)) : new CronStep.Fire(Noon.AddHours(1)), step);
    }

    [Fact]
    public void A_schedule_without_another_time_waits_for_ever() =>
        Assert.Equal(new CronStep.Wait(null), CronRule.Next(Policy(MissedRuns.Once), Noon, Noon, _ => null, _ => null));

    private static CronPolicy Policy(MissedRuns missed) => new(missed, TimeSpan.FromHours(24), OverlapRuns.Allow);

    private static CronStep Next(MissedRuns missed, DateTimeOffset mark, DateTimeOffset now) => CronRule.Next(Policy(missed), mark, now, After, Before);

    /// <summary>Everything that is fired until it waits.</summary>
    private static List<DateTimeOffset> All(DateTimeOffset mark, DateTimeOffset now)
    {
        var fired = new List<DateTimeOffset>();
        while (Next(MissedRuns.All, mark, now) is var step and not CronStep.Wait)
        {
            mark = step is CronStep.Fire fire ? fire.Time : ((CronStep.Pass)step).Time;
            if (step is CronStep.Fire)
            {
                fired.Add(mark);
            }
        }

        return fired;
    }
}
