namespace Dormouse.Core.Queues;

/// <summary>Bounds of what a caller may ask of the queue.</summary>
public static class QueueLimits
{
    /// <summary>Most attempts of one item.</summary>
    public const int AttemptsMax = 25;

    /// <summary>Longest name of a group, characters.</summary>
    public const int GroupLengthMax = 128;

    /// <summary>Longest idempotency key, characters.</summary>
    public const int IdempotencyKeyLengthMax = 255;

    /// <summary>How often the request of an ended item may be changed: what it was before each stays with the item.</summary>
    public const int EditsMax = 10;

    /// <summary>Longest delay and longest time to live.</summary>
    public static readonly TimeSpan TimeMax = TimeSpan.FromDays(14);

    /// <summary>How long an idempotency key returns the first outcome.</summary>
    public static readonly TimeSpan IdempotencyTime = TimeSpan.FromHours(24);
}
