using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Traces;

/// <summary>What stands in for what a trace does not say.</summary>
public sealed record TraceOptions
{
    /// <summary>Run time of invocations without one.</summary>
    public Spread RunTime { get; init; } = new Spread.Lognormal(TimeSpan.FromMilliseconds(100), 0.5);

    /// <summary>Work for each token of a prompt, where a trace counts tokens.</summary>
    public TimeSpan PromptTokenTime { get; init; } = TimeSpan.FromMilliseconds(0.2);

    /// <summary>Work for each token that is generated.</summary>
    public TimeSpan GeneratedTokenTime { get; init; } = TimeSpan.FromMilliseconds(20);
}
