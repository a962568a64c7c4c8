using Dormouse.Simulation.Results;

namespace Dormouse.Simulation.Tests.Results;

public sealed class LatencyHistogramTests
{
    [Fact]
    public void A_percentile_is_at_most_a_thirtieth_above_the_true_one()
    {
        var histogram = new LatencyHistogram();
        for (var i = 1; i <= 100_000; i++)
        {
            histogram.Record(TimeSpan.FromMicroseconds(i * 10));
        }

        foreach (var share in new[] { 0.001, 0.5, 0.95, 0.99, 0.999 })
        {
            Assert.InRange(histogram.Percentile(share).TotalMicroseconds, share * 1_000_000, share * 1_000_000 * 1.033);
        }

        Assert.Equal(TimeSpan.FromSeconds(1), histogram.Percentile(1));
        Assert.Equal(TimeSpan.FromSeconds(1), histogram.Max);
    }

    [Fact]
    public void Nothing_recorded_is_zero() => Assert.Equal(TimeSpan.Zero, new LatencyHistogram().Percentile(0.5));

    [Fact]
    public void One_value_is_every_percentile()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(TimeSpan.FromSeconds(123.456));

        Assert.Equal(TimeSpan.FromSeconds(123.456), histogram.Percentile(0));
        Assert.Equal(TimeSpan.FromSeconds(123.456), histogram.Percentile(0.99));
    }
}
