using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Tests.Load;

public sealed class ProfileTests
{
    [Theory]
    [InlineData(ProfileShape.Steady)]
    [InlineData(ProfileShape.Bursty)]
    [InlineData(ProfileShape.Diurnal)]
    public void A_profile_has_its_rate_and_its_order(ProfileShape shape)
    {
        var times = Times(shape, endpoints: 20, rate: 2);

        Assert.InRange(times.Sum(t => t.Count), 172_800 * 0.95, 172_800 * 1.05);
        Assert.All(times, t => Assert.Equal(t.Order(), t));
        Assert.All(times, t => Assert.InRange(t[^1], 0, 24));
    }

    [Fact]
    public void The_first_endpoints_of_a_skewed_profile_are_called_most()
    {
        var counts = Times(ProfileShape.Steady, 4, 1).ConvertAll(t => (double)t.Count);

        Assert.InRange(counts[0] / counts[1], 1.8, 2.2);
        Assert.InRange(counts[0] / counts[3], 3.7, 4.3);
    }

    [Fact]
    public void A_day_has_its_noon_and_its_night()
    {
        var hours = Times(ProfileShape.Diurnal, 1, 10)[0].GroupBy(t => (int)t).ToDictionary(g => g.Key, g => g.Count());

        Assert.InRange(hours[0], 36_000 * 0.19, 36_000 * 0.22);
        Assert.InRange(hours[12], 36_000 * 1.75, 36_000 * 1.85);
    }

    [Fact]
    public void Bursts_come_close_together()
    {
        var times = Times(ProfileShape.Bursty, 1, 1)[0];
        var close = times.Zip(times.Skip(1), (a, b) => (b - a) * 3_600).Count(gap => gap < 0.2);

        Assert.InRange(close / (double)times.Count, 0.9, 0.97);
    }

    [Fact]
    public void A_seed_gives_the_same_load_again()
    {
        Assert.Equal(Times(ProfileShape.Bursty, 2, 0.1), Times(ProfileShape.Bursty, 2, 0.1));
        Assert.NotEqual(Times(ProfileShape.Bursty, 2, 0.1), Times(ProfileShape.Bursty, 2, 0.1, seed: 2));
    }

    /// <summary>Hours since the start, for each endpoint.</summary>
    private static List<List<double>> Times(ProfileShape shape, int endpoints, double rate, ulong seed = 1)
    {
        var profile = new Profile { Shape = shape, Endpoints = endpoints, Rate = rate, Duration = TimeSpan.FromHours(24), RunTime = new Spread.Always(TimeSpan.FromMilliseconds(1)) };
        return [.. profile.ToLoad().Endpoints.Select(e =>
        {
            var (times, stream) = (new List<double>(), e.Open(seed));
            while (stream.TryNext(out var arrival))
            {
                times.Add(new TimeSpan(arrival.At.Ticks).TotalHours);
            }

            return times;
        })];
    }
}
