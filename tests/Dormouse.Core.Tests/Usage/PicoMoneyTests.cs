using CsCheck;
using Dormouse.Core.Usage;

namespace Dormouse.Core.Tests.Usage;

public sealed class PicoMoneyTests
{
    [Theory]
    [InlineData(0, "0")]
    [InlineData(8_333, "0.000000008333")]
    [InlineData(1, "0.000000000001")]
    [InlineData(1_500_000_000_000, "1.5")]
    [InlineData(12_000_000_000_000, "12")]
    [InlineData(-8_330, "-0.00000000833")]
    [InlineData(-1_000_000_000_001, "-1.000000000001")]
    public void Money_is_a_plain_decimal_with_no_more_digits_than_needed(long pico, string text) =>
        Assert.Equal(text, PicoMoney.Format(pico));

    [Fact]
    public void Every_value_is_read_back() =>
        Gen.OneOf(Gen.Long.Select(l => (Int128)l), Gen.Select(Gen.Long, Gen.ULong, (high, low) => ((Int128)high << 64) | low)).Sample(pico =>
            Assert.True(PicoMoney.TryParse(PicoMoney.Format(pico), out var read) && read == pico));

    [Fact]
    public void The_extremes_are_read_back()
    {
        foreach (var pico in (Int128[])[Int128.MinValue, Int128.MaxValue])
        {
            Assert.True(PicoMoney.TryParse(PicoMoney.Format(pico), out var read));
            Assert.Equal(pico, read);
        }
    }

    [Theory]
    [InlineData("1.50")]
    [InlineData("001.5")]
    public void Superfluous_zeros_are_fine(string text)
    {
        Assert.True(PicoMoney.TryParse(text, out var pico));
        Assert.Equal(1_500_000_000_000, pico);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("-")]
    [InlineData(".5")]
    [InlineData("1.")]
    [InlineData("1e3")]
    [InlineData("1,5")]
    [InlineData(" 1")]
    [InlineData("+1")]
    [InlineData("1.2.3")]
    [InlineData("0.0000000000001")]
    [InlineData("170141183460469231731687303.715884105728")]
    [InlineData("9999999999999999999999999999999999999999")]
    public void Another_form_is_refused(string? text)
    {
        Assert.False(PicoMoney.TryParse(text, out var pico));
        Assert.Equal(0, pico);
    }
}
