namespace Dormouse.Simulation.Randomness;

/// <summary>
/// Numbers that follow from a seed, the same on every machine and release (SplitMix64, Steele and others, OOPSLA 2014). Eight bytes, so that each endpoint
/// has its own: what one draws never depends on what others did before it.
/// </summary>
public struct SeededRandom
{
    private const ulong Step = 0x9E37_79B9_7F4A_7C15;

    private ulong _state;

    private SeededRandom(ulong state) => _state = state;

    /// <summary>A stream of its own for each pair.</summary>
    public static SeededRandom For(ulong seed, ulong stream) => new(Mix(seed + Step) ^ Mix((stream * Step) + 1));

    public ulong Next() => Mix(_state += Step);

    /// <summary>At least 0, below 1.</summary>
    public double Unit() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>At least 0, below <paramref name="bound"/>, which is at least 1.</summary>
    public int Below(int bound) => (int)(Unit() * bound);

    public bool Happens(double share) => share > 0 && Unit() < share;

    /// <summary>Exponentially distributed, mean 1.</summary>
    public double Exponential() => -Math.Log(1 - Unit());

    /// <summary>Normally distributed, mean 0, deviation 1 (Box and Muller).</summary>
    public double Normal() => Math.Sqrt(2 * Exponential()) * Math.Cos(2 * Math.PI * Unit());

    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9;
        value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB;
        return value ^ (value >> 31);
    }
}
