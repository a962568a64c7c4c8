namespace Dormouse.Core.Scaling;

/// <summary>
/// How long starts and runs of a revision take, as measured: exponentially weighted means (weight of a new sample 1/4, so about the last eight count).
/// A value: keep it when an engine is dropped and give it to the next one.
/// </summary>
/// <param name="StartTime">From the machine's admission to ready; null while no start has ended well.</param>
/// <param name="RunTime">From the hand-over of a slot to its return; null while no run has completed.</param>
public readonly record struct LearnedTimes(TimeSpan? StartTime, TimeSpan? RunTime)
{
    private const int WeightDivisor = 4;

    /// <summary>Runs at once that an instance was found to do well with; null while nothing was found, and where the user gave a number.</summary>
    public ConcurrencyState? Concurrency { get; init; }

    /// <summary>These times with one more start.</summary>
    public LearnedTimes WithStart(TimeSpan sample) => this with { StartTime = Mean(StartTime, sample) };

    /// <summary>These times with one more run.</summary>
    public LearnedTimes WithRun(TimeSpan sample) => this with { RunTime = Mean(RunTime, sample) };

    private static TimeSpan Mean(TimeSpan? mean, TimeSpan sample) =>
        mean is { } known ? known + ((sample - known) / WeightDivisor) : sample;
}
