using Dormouse.Server.Triggers;

namespace Dormouse.Server.Tests.Triggers;

public sealed class CronScheduleTests
{
    [Fact]
    public void The_29th_of_February_comes_every_four_years() =>
        Assert.Equal(["2028-02-29T03:00", "2032-02-29T03:00"], Times("0 3 29 2 *", "UTC", "2026-03-01T00:00:00Z", 2));

    [Fact]
    public void A_time_that_the_spring_change_leaves_out_is_taken_right_after_it() =>
        Assert.Equal(["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"], Times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3));

    [Fact]
    public void A_time_that_comes_twice_in_autumn_is_taken_once() =>
        Assert.Equal(["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"], Times("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", 3));

    [Fact]
    public void Intervals_go_on_through_both_hours_of_autumn() =>
        Assert.Equal(["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"], Times("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 5));

    [Theory]
    [InlineData("0 3 * *", "UTC", "cannot be read")]
    [InlineData("0 3 30 2 *", "UTC", "never fires")]
    [InlineData("0 3 * * *", "Europe/Berln", "is not known here")]
    public void What_is_no_schedule_is_refused_with_what_is_allowed(string expression, string zone, string expected)
    {
        Assert.Null(CronSchedule.Parse(expression, zone, out var fault));
        Assert.Contains(expected, fault, StringComparison.Ordinal);
        Assert.Contains("allowed", fault, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Times(string expression, string zone, string from, int count)
    {
        var schedule = CronSchedule.Parse(expression, zone, out _)!;
        var time = DateTimeOffset.Parse(from, System.Globalization.CultureInfo.InvariantCulture);
        for (var i = 0; i < count; i++)
        {
            time = schedule.After(time)!.Value;
            Assert.True(schedule.Before(time) <= time);
            yield return time.ToString("yyyy-MM-dd'T'HH:mm", System.Globalization.CultureInfo.InvariantCulture);
        }
    }
}
