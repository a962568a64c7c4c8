namespace Dormouse.Core.Dispatch;

/// <summary>Which waiting invocations get a slot first; within a class in order of arrival.</summary>
public enum QueuePriority
{
    High,

    /// <summary>Unless the caller says otherwise.</summary>
    Normal,
    Low,
}

/// <summary>What a caller asks of the queue.</summary>
/// <param name="Deadline">When the answer is of no use any more; <see cref="MonotonicTime.Never"/> = the caller did not say.</param>
/// <param name="CanOverflow">Another address takes it when there is no slot for it here (<see cref="OverflowAdvice"/>).</param>
/// <param name="IsDeferred">Nobody waits for its answer: it stands behind all others, whatever its priority, and has a share of the slots all the same (<see cref="DeferredShare"/>).</param>
public readonly record struct CallerWishes(MonotonicTime Deadline, QueuePriority Priority, bool CanOverflow = false, bool IsDeferred = false)
{
    /// <summary>Of so many slots that come free while a deferred invocation and others wait, one goes to the deferred.</summary>
    public const int DeferredShare = 10;

    public static readonly CallerWishes None = new(MonotonicTime.Never, QueuePriority.Normal);
}
