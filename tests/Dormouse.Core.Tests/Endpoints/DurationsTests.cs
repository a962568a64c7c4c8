using CsCheck;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Endpoints;

public sealed class DurationsTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    [InlineData("60s", 60_000)]
    [InlineData("500ms", 500)]
    [InlineData("5m", 300_000)]
    [InlineData("1h", 3_600_000)]
    [InlineData("1d", 86_400_000)]
    [InlineData("1.5s", 1_500)]
    [InlineData("0.250s", 250)]
    [InlineData("1500us", 1.5)]
    [InlineData("007s", 7_000)]
    public void A_number_with_a_unit_is_a_duration(string text, double milliseconds)
    {
        Assert.True(Durations.TryParse(text, out var duration));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), duration);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("60")]
    [InlineData("s")]
    [InlineData("-1s")]
    [InlineData("+1s")]
    [InlineData("1 s")]
    [InlineData("1S")]
    [InlineData("1.s")]
    [InlineData(".5s")]
    [InlineData("1.2.3s")]
    [InlineData("1e3s")]
    [InlineData("1h30m")]
    [InlineData("1w")]
    [InlineData("0.00000001s")]
    [InlineData("99999999d")]
    [InlineData("99999999999999999999999999999d")]
    public void Another_form_is_refused(string? text)
    {
        Assert.False(Durations.TryParse(text, out var duration));
        Assert.Equal(TimeSpan.Zero, duration);
    }

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(1.5, "1500us")]
    [InlineData(500, "500ms")]
    [InlineData(1_500, "1500ms")]
    [InlineData(60_000, "60s")]
    [InlineData(90_000, "90s")]
    [InlineData(300_000, "5m")]
    [InlineData(3_600_000, "1h")]
    [InlineData(86_400_000, "24h")]
    public void A_duration_is_written_in_the_unit_people_would_use(double milliseconds, string text) =>
        Assert.Equal(text, Durations.Format(TimeSpan.FromMilliseconds(milliseconds)));

    [Fact]
    public void Every_duration_is_read_back() =>
        Gen.OneOf(Gen.Long[0, long.MaxValue], Gen.Long[0, 1_000_000].Select(s => s * TimeSpan.TicksPerSecond), Gen.Long[0, 100_000]).Sample(ticks =>
            Assert.True(Durations.TryParse(Durations.Format(new TimeSpan(ticks)), out var read) && read.Ticks == ticks));

    [Theory]
    [InlineData(0, "0 s")]
    [InlineData(0.3, "300 µs")]
    [InlineData(2.938, "2.94 ms")]
    [InlineData(1_500, "1.5 s")]
    [InlineData(60_000, "60 s")]
    [InlineData(300_000, "5 min")]
    [InlineData(10_800_000, "3 h")]
    public void Sentences_round_a_duration(double milliseconds, string words) =>
        Assert.Equal(words, Durations.Words(TimeSpan.FromMilliseconds(milliseconds)));
}
