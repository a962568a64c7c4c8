namespace Dormouse.Core.Usage;

/// <summary>Prices in force. All money is integers of 10⁻¹² of <see cref="Currency"/>.</summary>
/// <param name="Currency">ISO 4217 code shown to people.</param>
/// <param name="OnDemandPicoPerGibSecond">Price of one GB-second (1 GB = 1,024 MB) of on-demand run time.</param>
/// <param name="PicoPerInvocation">Price of one invocation, whatever it used.</param>
public sealed record PriceBook(string Currency, long OnDemandPicoPerGibSecond, long PicoPerInvocation)
{
    /// <summary>AWS Lambda's x86 price of 2026, so that comparisons are easy: 0.0000166667 USD per GB-second, nothing per invocation.</summary>
    public static readonly PriceBook Default = new("USD", 16_666_700, 0);
}

/// <summary>The one rounding rule: time up to the next whole millisecond, money half up to the next pico-unit, once per invocation each.</summary>
public static class Pricing
{
    /// <summary>Whole milliseconds billed for a metered share; 0 µs is 0 ms, 1 µs is 1 ms.</summary>
    public static long BilledMilliseconds(long meteredMicroseconds) => throw new NotImplementedException();

    /// <summary>
    /// Price in pico-units: billed ms × MiB × price ÷ (1,000 × 1,024), half up, plus the price per invocation.
    /// Worked example: 1 ms × 512 MiB × 16,666,700 ÷ 1,024,000 = 8,333 (8,333.35), 0.000000008333 USD.
    /// </summary>
    public static long PricePico(PriceBook book, long billedMilliseconds, int memoryMib) => throw new NotImplementedException();
}

/// <summary>
/// Virtual time of one instance: it advances by dt ÷ running, so invocations that share the instance share its busy time.
/// An invocation pays V(end) − V(start): no microsecond is billed twice and none above its own run time.
/// </summary>
public struct InstanceMeter
{
    /// <summary>Advances to <paramref name="now"/> with the number running until now, then returns V in µs (fixed point inside; sums never exceed the busy time).</summary>
    public long Advance(MonotonicTime now, int running) => throw new NotImplementedException();
}
