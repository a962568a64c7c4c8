namespace Dormouse.Core.Instances;

/// <summary>What the instances of one machine may use together.</summary>
/// <param name="MemoryMib">Memory of all of them, MiB; at least 0.</param>
/// <param name="StartsAtOnce">Starts under way at once; at least 1.</param>
public sealed record MachineLimits(long MemoryMib, int StartsAtOnce)
{
    /// <summary>Starts that may begin in a second, on average (<see cref="StartRate"/>); above 0. Null = as many as can, the default.</summary>
    public double? StartsPerSecond { get; init; }

    /// <summary>Cores that may be reserved (<see cref="Endpoints.RevisionSpec.ReserveCpu"/>), thousandths; at least 0. By default none is counted.</summary>
    public long CpuMillis { get; init; } = long.MaxValue;
}

/// <summary>What one instance takes of the machine as long as it is there.</summary>
/// <param name="MemoryMib">Its memory limit, MiB; at least 0.</param>
/// <param name="CpuMillis">Cores that are reserved for it, thousandths; at least 0.</param>
public readonly record struct InstanceNeed(int MemoryMib, int CpuMillis = 0)
{
    /// <summary>What an instance of a revision takes.</summary>
    public static InstanceNeed Of(Endpoints.RevisionSpec spec) => new(spec.MemoryMib, (int)Math.Round(spec.ReserveCpu * 1000));
}

/// <summary>What a start that is not admitted waits for.</summary>
public enum HoldReason
{
    /// <summary>Memory of others.</summary>
    Memory,

    /// <summary>Reserved cores of others.</summary>
    Cpu,

    /// <summary>As many starts are under way as may be at once.</summary>
    StartsAtOnce,

    /// <summary>As many starts began in the last second as may.</summary>
    StartRate,
}
