namespace Dormouse.Core.Queues;

/// <summary>Where a queued invocation stands.</summary>
public enum QueueState
{
    /// <summary>Waits for its time, its turn, or another attempt.</summary>
    Queued,

    /// <summary>A server has it: it waits for a slot there, or runs.</summary>
    Leased,

    /// <summary>It has an answer below 400.</summary>
    Succeeded,

    /// <summary>It was refused for what it is (a 4xx): trying again would not help.</summary>
    Failed,

    /// <summary>A dead letter: its attempts are used up, or the last one showed that more would not help.</summary>
    Dead,
    Cancelled,

    /// <summary>Its time to live passed before it ended.</summary>
    Expired,
}

public static class QueueStates
{
    /// <summary>It may still run.</summary>
    public static bool IsLive(this QueueState state) => state is QueueState.Queued or QueueState.Leased;
}
