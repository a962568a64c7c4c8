namespace Dormouse.Core.Queues;

/// <summary>How many asynchronous invocations of an endpoint may be taken now under its rate: a bucket that fills with time and holds a tenth of a second's worth, at least one.</summary>
/// <param name="Tokens">0 to the bucket's size.</param>
public readonly record struct AsyncAllowance(double Tokens)
{
    private const double BurstSeconds = 0.1;

    /// <summary>Sums of small steps fall short of whole numbers by less than this.</summary>
    private const double Rounding = 1e-9;

    public int Whole => (int)Math.Min(int.MaxValue, Math.Floor(Tokens + Rounding));

    /// <param name="rate">Invocations a second, above 0.</param>
    public static AsyncAllowance Full(double rate) => new(Size(rate));

    public AsyncAllowance After(TimeSpan elapsed, double rate) => new(Math.Min(Size(rate), Tokens + (Math.Max(0, elapsed.TotalSeconds) * rate)));

    public AsyncAllowance Less(int taken) => new(Math.Max(0, Tokens - taken));

    /// <summary>How long until one may be taken; none when one may now.</summary>
    public TimeSpan Wait(double rate) => Whole >= 1 ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Min((1 - Tokens) / rate, TimeSpan.FromDays(1).TotalSeconds));

    private static double Size(double rate) => Math.Max(1, rate * BurstSeconds);
}
