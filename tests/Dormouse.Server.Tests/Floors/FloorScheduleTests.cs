using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Floors;

namespace Dormouse.Server.Tests.Floors;

public sealed class FloorScheduleTests
{
    private const string Office = "0 8 * * MON-FRI Europe/Berlin for 10h = 2";

    [Theory]
    [InlineData("2026-03-02T06:59:59Z", 0, "2026-03-02T07:00:00Z")] // Monday, winter: 08:00 is 07:00 UTC
    [InlineData("2026-03-02T07:00:00Z", 2, "2026-03-02T17:00:00Z")]
    [InlineData("2026-03-02T16:59:59Z", 2, "2026-03-02T17:00:00Z")]
    [InlineData("2026-03-02T17:00:00Z", 0, "2026-03-03T07:00:00Z")]
    [InlineData("2026-03-06T17:00:00Z", 0, "2026-03-09T07:00:00Z")] // Friday evening to Monday
    [InlineData("2026-03-30T06:00:00Z", 2, "2026-03-30T16:00:00Z")] // the Monday after the clocks went forward
    [InlineData("2026-10-26T06:59:59Z", 0, "2026-10-26T07:00:00Z")] // and after they went back
    public void A_window_opens_and_closes_by_the_clock_of_its_zone(string now, int instances, string changesAt)
    {
        var (floor, next) = FloorSchedule.At(Spec(Office), Time(now));

        Assert.Equal((instances, Time(changesAt)), (floor.Instances, next));
        Assert.Equal(instances == 0 ? "" : "from 08:00 to 18:00 Europe/Berlin", floor.Window);
    }

    [Fact]
    public void Windows_over_a_span_are_given_by_how_long_after_its_beginning_they_open_and_close()
    {
        TimeSpan Hours(double hours) => TimeSpan.FromHours(hours);

        Assert.Equal([(Hours(7), 2), (Hours(17), 0), (Hours(31), 2), (Hours(41), 0)], FloorSchedule.Over(Spec(Office), Time("2026-03-02T00:00:00Z"), Hours(48)));
        Assert.Equal([(Hours(0), 2), (Hours(5), 0)], FloorSchedule.Over(Spec(Office), Time("2026-03-02T12:00:00Z"), Hours(19)));
        Assert.Empty(FloorSchedule.Over(Spec(), Time("2026-03-02T12:00:00Z"), Hours(19)));
    }

    [Fact]
    public void An_hour_that_does_not_exist_fires_after_the_gap_and_one_that_comes_twice_fires_once()
    {
        var early = Spec("30 2 * * * Europe/Berlin for 30m = 1");

        Assert.Equal(1, FloorSchedule.At(early, Time("2026-03-29T01:00:00Z")).Floor.Instances); // 03:00, half an hour late
        Assert.Equal(1, FloorSchedule.At(early, Time("2026-10-25T00:30:00Z")).Floor.Instances); // 02:30, the first time
        Assert.Equal(0, FloorSchedule.At(early, Time("2026-10-25T01:30:00Z")).Floor.Instances); // 02:30 again
    }

    [Fact]
    public void A_duration_is_elapsed_time_over_a_change_of_clocks()
    {
        var night = Spec("0 22 * * SAT Europe/Berlin for 8h = 1");

        var (floor, closes) = FloorSchedule.At(night, Time("2026-03-28T22:00:00Z"));

        Assert.Equal(Time("2026-03-29T05:00:00Z"), closes);
        Assert.Equal("from 2026-03-28 22:00 to 2026-03-29 07:00 Europe/Berlin", floor.Window);
    }

    [Fact]
    public void Of_windows_that_overlap_the_largest_counts_and_every_edge_is_told()
    {
        var spec = Spec("0 8 * * * for 4h = 1", "0 9 * * * for 1h = 3");

        Assert.Equal((1, Time("2026-03-02T09:00:00Z")), At(spec, "2026-03-02T08:30:00Z"));
        Assert.Equal((3, Time("2026-03-02T10:00:00Z")), At(spec, "2026-03-02T09:00:00Z"));
        Assert.Equal((1, Time("2026-03-02T12:00:00Z")), At(spec, "2026-03-02T10:00:00Z"));
        Assert.Equal((0, Time("2026-03-03T08:00:00Z")), At(spec, "2026-03-02T12:00:00Z"));
    }

    [Fact]
    public void Windows_that_touch_are_one()
    {
        var always = Spec("0 * * * * for 1h = 1");

        Assert.Equal(1, FloorSchedule.At(always, Time("2026-03-02T08:59:59Z")).Floor.Instances);
        Assert.Equal(1, FloorSchedule.At(always, Time("2026-03-02T09:00:00Z")).Floor.Instances);
    }

    [Theory]
    [InlineData("0 0 30 2 * for 1h = 1", "never fires")]
    [InlineData("61 * * * * for 1h = 1", "cannot be read")]
    [InlineData("0 8 * * FUNDAY for 1h = 1", "cannot be read")]
    [InlineData("@sometimes for 1h = 1", "cannot be read")]
    [InlineData("0 8 * * * Europe/Berln for 1h = 1", "time zone 'Europe/Berln' is not known here")]
    public void A_schedule_that_means_nothing_is_named_with_what_is_allowed(string floor, string fault)
    {
        var error = Assert.Single(FloorSchedule.Faults(Spec(floor)));

        Assert.Equal("floors", error.Setting);
        Assert.Contains("floors has '", error.Message, StringComparison.Ordinal);
        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
        Assert.Contains("allowed", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Office)]
    [InlineData("@daily for 1h = 1")]
    [InlineData("0 0 29 2 * for 1h = 1")]
    [InlineData("*/5 8-18 1,15 JAN * America/New_York for 1m = 1")]
    public void A_schedule_that_fires_is_fine(string floor) => Assert.Empty(FloorSchedule.Faults(Spec(floor)));

    private static (int Instances, DateTimeOffset? ChangesAt) At(RevisionSpec spec, string now) =>
        FloorSchedule.At(spec, Time(now)) is var (floor, next) ? (floor.Instances, next) : default;

    private static RevisionSpec Spec(params string[] floors) => new()
    {
        Runtime = "onnx",
        Floors = [.. floors.Select(f => ScheduledFloor.TryParse(f, out var floor) ? floor : throw new ArgumentException(f))],
    };

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
