using CsCheck;
using Dormouse.Core.Usage;

namespace Dormouse.Core.Tests.Usage;

public sealed class PricingTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(999, 1)]
    [InlineData(1_000, 1)]
    [InlineData(1_001, 2)]
    [InlineData(long.MaxValue, (long.MaxValue / 1_000) + 1)]
    public void Metered_time_is_billed_in_whole_milliseconds_rounded_up(long microseconds, long milliseconds) =>
        Assert.Equal(milliseconds, Pricing.BilledMilliseconds(microseconds));

    [Fact]
    public void Negative_time_is_a_broken_invariant() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Pricing.BilledMilliseconds(-1));

    [Theory]
    [InlineData(1, 512, 8_333)] // 8,333.35
    [InlineData(3, 512, 25_000)] // 25,000.05
    [InlineData(1_000, 1_024, 16_666_700)]
    [InlineData(0, 512, 0)]
    [InlineData(86_400_000, 1 << 20, 1_474_562_949_120_000)]
    public void A_price_is_rounded_half_up_once(long milliseconds, int memoryMib, long pico) =>
        Assert.Equal(pico, Pricing.PricePico(PriceBook.Default, milliseconds, memoryMib));

    [Theory]
    [InlineData(511_999, 0)]
    [InlineData(512_000, 1)] // exactly one half
    [InlineData(512_001, 1)]
    public void A_half_pico_unit_is_rounded_up(long picoPerGibSecond, long pico) =>
        Assert.Equal(pico, Pricing.PricePico(new PriceBook("EUR", picoPerGibSecond, 0), 1, 1));

    [Fact]
    public void The_price_per_invocation_is_added_whole() =>
        Assert.Equal(8_333 + 200_000, Pricing.PricePico(PriceBook.Default with { PicoPerInvocation = 200_000 }, 1, 512));

    [Theory]
    [InlineData(ReceiptLine.OnDemand, 16_666_700 + 7)]
    [InlineData(ReceiptLine.Provisioned, 9_722_241 + 7)]
    [InlineData(ReceiptLine.ProvisionedTime, 4_166_675)]
    public void A_gb_second_has_the_price_of_its_line_and_time_is_no_invocation(ReceiptLine line, long pico) =>
        Assert.Equal(pico, Pricing.PricePico(PriceBook.Default with { PicoPerInvocation = 7 }, 1_000, 1_024, line));

    [Fact]
    public void Provisioned_prices_follow_the_on_demand_price_unless_they_are_set()
    {
        var book = new PriceBook("EUR", 12, 0);

        Assert.Equal((3L, 7L), (book.ProvisionedPicoPerGibSecond, book.ProvisionedRunPicoPerGibSecond));
        Assert.Equal(0, Pricing.PricePico(book with { ProvisionedPicoPerGibSecond = 0 }, 1_000_000, 1_024, ReceiptLine.ProvisionedTime));
    }

    [Fact]
    public void A_price_is_within_half_a_pico_unit_of_the_exact_one() =>
        Gen.Select(Gen.Long[0, 86_400_000], Gen.Int[0, 1 << 20], Gen.Long[0, 100_000_000]).Sample((milliseconds, mib, price) =>
        {
            var pico = Pricing.PricePico(new PriceBook("USD", price, 0), milliseconds, mib);

            var twiceError = Int128.Abs(((Int128)pico * 1_024_000) - ((Int128)milliseconds * mib * price)) * 2;
            Assert.True(twiceError <= 1_024_000);
        });

    [Fact]
    public void Memory_time_is_the_memory_class_times_the_billed_time() =>
        Assert.Equal((Int128)512 * 3_000, Pricing.MibMicroseconds(3, 512));
}
