using CsCheck;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Tests.Scaling;

public sealed class LoadWindowTests
{
    private static readonly TimeSpan SixSeconds = TimeSpan.FromSeconds(6);

    [Fact]
    public void Seconds_before_the_first_record_do_not_count()
    {
        var window = new LoadWindow(SixSeconds);

        window.Record(100, 4);
        window.Record(101, 8);

        Assert.Equal(6, window.Average(101));
    }

    [Fact]
    public void Seconds_without_a_record_between_two_count_as_nothing()
    {
        var window = new LoadWindow(SixSeconds);

        window.Record(0, 6);
        window.Record(2, 6);

        Assert.Equal(4, window.Average(2));
    }

    [Fact]
    public void Silent_seconds_at_the_end_are_left_out()
    {
        var window = new LoadWindow(SixSeconds);
        for (var second = 0; second < 6; second++)
        {
            window.Record(second, second);
        }

        // Seconds 2 to 5 of the window 2 to 7, over four seconds.
        Assert.Equal(3.5, window.Average(7));
    }

    [Fact]
    public void Two_records_of_one_second_add_up()
    {
        var window = new LoadWindow(SixSeconds);

        window.Record(3, 1);
        window.Record(3, 2);

        Assert.Equal(3, window.Average(3));
    }

    [Fact]
    public void After_a_silent_window_the_average_starts_anew()
    {
        var window = new LoadWindow(SixSeconds);
        window.Record(0, 100);

        window.Record(6, 2);

        Assert.Equal(2, window.Average(6));
    }

    [Theory]
    [InlineData(5, 10, false)]
    [InlineData(6, 0, false)]
    [InlineData(7, 0, true)]
    public void It_is_empty_one_second_after_its_average_is_nothing(long now, double average, bool isEmpty)
    {
        var window = new LoadWindow(SixSeconds);
        window.Record(0, 10);

        Assert.Equal(average, window.Average(now));
        Assert.Equal(isEmpty, window.IsEmpty(now));
    }

    [Fact]
    public void A_window_without_a_record_is_empty()
    {
        var window = new LoadWindow(SixSeconds);

        Assert.True(window.IsEmpty(0));
        Assert.Equal(0, window.Average(0));
    }

    [Fact]
    public void A_record_older_than_the_window_changes_nothing()
    {
        var window = new LoadWindow(SixSeconds);
        window.Record(10, 4);

        window.Record(4, 1_000);

        Assert.Equal(4, window.Average(10));
    }

    [Fact]
    public void The_average_is_that_of_a_plain_list_of_seconds() =>
        Gen.Select(Gen.Long[0, 40], Gen.Double[0, 100]).Array[1, 60].Sample(records =>
        {
            var window = new LoadWindow(SixSeconds);
            var plain = new PlainWindow(6);
            foreach (var (second, load) in records.OrderBy(r => r.Item1))
            {
                window.Record(second, load);
                plain.Record(second, load);
                for (var now = second; now < second + 9; now++)
                {
                    Assert.Equal(plain.Average(now), window.Average(now), 1e-6);
                }
            }
        });

    /// <summary>The definition word for word: every record is kept.</summary>
    private sealed class PlainWindow(int seconds)
    {
        private readonly SortedDictionary<long, double> _loads = [];
        private long _first;

        public void Record(long second, double load)
        {
            _first = _loads.Count == 0 || second - _loads.Keys.Last() >= seconds ? second : _first;
            _loads[second] = _loads.GetValueOrDefault(second) + load;
        }

        public double Average(long now)
        {
            var last = _loads.Keys.Last();
            return now - last >= seconds
                ? 0
                : _loads.Where(l => l.Key > now - seconds && l.Key >= _first).Sum(l => l.Value) / Math.Min(last - _first + 1, seconds - (now - last));
        }
    }
}
