namespace Dormouse.Core.Usage;

/// <summary>Prices in force. All money is integers of 10⁻¹² of <see cref="Currency"/>.</summary>
/// <param name="Currency">ISO 4217 code shown to people.</param>
/// <param name="OnDemandPicoPerGibSecond">Price of one GB-second (1 GB = 1,024 MB) of on-demand run time.</param>
/// <param name="PicoPerInvocation">Price of one invocation that an instance here ran, whatever it used.</param>
/// <param name="PicoPerOverflow">Price of one invocation that an overflow address ran; nothing else is charged for it here.</param>
public sealed record PriceBook(string Currency, long OnDemandPicoPerGibSecond, long PicoPerInvocation, long PicoPerOverflow = 0)
{
    /// <summary>Price of one GB-second that provisioned instances are there, whether anything runs or not. Default: a quarter of the on-demand price, as AWS Lambda's.</summary>
    public long ProvisionedPicoPerGibSecond { get; init; } = DefaultProvisioned(OnDemandPicoPerGibSecond);

    /// <summary>Price of one GB-second of run time on provisioned instances. Default: 7 ÷ 12 of the on-demand price, as AWS Lambda's.</summary>
    public long ProvisionedRunPicoPerGibSecond { get; init; } = DefaultProvisionedRun(OnDemandPicoPerGibSecond);

    /// <summary>AWS Lambda's x86 price of 2026, so that comparisons are easy: 0.0000166667 USD per GB-second, nothing per invocation.</summary>
    public static readonly PriceBook Default = new("USD", 16_666_700, 0);

    /// <summary>What <see cref="ProvisionedPicoPerGibSecond"/> is when nobody sets it, rounded down.</summary>
    public static long DefaultProvisioned(long onDemandPicoPerGibSecond) => onDemandPicoPerGibSecond / 4;

    /// <summary>What <see cref="ProvisionedRunPicoPerGibSecond"/> is when nobody sets it, rounded down.</summary>
    public static long DefaultProvisionedRun(long onDemandPicoPerGibSecond) => (long)((Int128)onDemandPicoPerGibSecond * 7 / 12);
}

/// <summary>The one rounding rule: time up to the next whole millisecond, money half up to the next pico-unit, once per invocation each.</summary>
public static class Pricing
{
    private const long MillisecondMibPerGibSecond = 1_000 * 1_024;

    /// <summary>Whole milliseconds billed for a metered share; 0 µs is 0 ms, 1 µs is 1 ms.</summary>
    /// <param name="meteredMicroseconds">At least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="meteredMicroseconds"/> is negative.</exception>
    public static long BilledMilliseconds(long meteredMicroseconds)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(meteredMicroseconds);
        var (whole, rest) = Math.DivRem(meteredMicroseconds, 1_000);
        return rest == 0 ? whole : whole + 1;
    }

    /// <summary>
    /// Price in pico-units: billed ms × MiB × price ÷ (1,000 × 1,024), half up, plus the price per invocation where it is one; of an overflow that of one alone.
    /// Worked example: 1 ms × 512 MiB × 16,666,700 ÷ 1,024,000 = 8,333 (8,333.35), 0.000000008333 USD.
    /// </summary>
    /// <param name="book">Prices, none negative.</param>
    /// <param name="billedMilliseconds">At least 0.</param>
    /// <param name="memoryMib">Memory class, at least 0.</param>
    /// <param name="line">Which of the prices of a GB-second it is.</param>
    /// <exception cref="OverflowException">The price exceeds 9.2 million currency units, which no invocation within the product's limits reaches.</exception>
    public static long PricePico(PriceBook book, long billedMilliseconds, int memoryMib, ReceiptLine line = ReceiptLine.OnDemand)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(billedMilliseconds);
        ArgumentOutOfRangeException.ThrowIfNegative(memoryMib);
        var (picoPerGibSecond, picoOnce) = line switch
        {
            ReceiptLine.Provisioned => (book.ProvisionedRunPicoPerGibSecond, book.PicoPerInvocation),
            ReceiptLine.Overflow => (0, book.PicoPerOverflow),
            ReceiptLine.ProvisionedTime => (book.ProvisionedPicoPerGibSecond, 0),
            _ => (book.OnDemandPicoPerGibSecond, book.PicoPerInvocation),
        };
        var exact = (Int128)billedMilliseconds * memoryMib * picoPerGibSecond;
        var rounded = (exact + (MillisecondMibPerGibSecond / 2)) / MillisecondMibPerGibSecond;
        return checked((long)rounded + picoOnce);
    }

    /// <summary>Memory-time of one receipt as the totals sum it, MiB·µs: memory class × billed time.</summary>
    /// <param name="billedMilliseconds">At least 0.</param>
    /// <param name="memoryMib">Memory class, at least 0.</param>
    public static Int128 MibMicroseconds(long billedMilliseconds, int memoryMib) => (Int128)billedMilliseconds * 1_000 * memoryMib;
}
