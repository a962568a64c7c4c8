namespace Dormouse.Core.Scaling;

/// <summary>
/// What is remembered of a revision's idle times. It outlives the engine: keep it when an engine is dropped and give it to the next one, one engine at a time.
/// </summary>
public sealed class IdleMemory
{
    public IdleGaps Gaps { get; } = new();

    /// <summary>Since when nothing runs or waits; null = something does, or nothing ever has.</summary>
    internal MonotonicTime? QuietSince { get; set; }

    /// <summary>Instances of the revision cannot be frozen here.</summary>
    internal bool IsFreezeRefused { get; set; }

    /// <summary>An instance was started, or was not worth it, for the invocation expected in this idle time.</summary>
    internal bool HasStartedAgain { get; set; }

    /// <summary>The revision's files were read ahead in this idle time.</summary>
    internal bool HasPrefetched { get; set; }
}
