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
public readonly record struct CallerWishes(MonotonicTime Deadline, QueuePriority Priority, bool CanOverflow = false)
{
    public static readonly CallerWishes None = new(MonotonicTime.Never, QueuePriority.Normal);
}
