namespace Dormouse.Core.Batches;

/// <summary>What lies between a job's input and its results.</summary>
/// <param name="Held">Items fed and not yet in the results, with those that have ended and wait for an earlier one.</param>
/// <param name="Live">Those of them that wait or run.</param>
/// <param name="HeldBytes">Bodies of the items held, bytes.</param>
public readonly record struct BatchWindow(int Held, int Live, long HeldBytes);

/// <summary>How many items a job may give to the queue now. Both the table and the memory stay bounded by it, however long the input is.</summary>
public static class FeedRule
{
    /// <summary>Most items of a job that may wait or run.</summary>
    public const int ConcurrencyMax = 1_000;

    /// <summary>Of a job that says nothing.</summary>
    public const int ConcurrencyDefault = 32;

    /// <summary>So many times its concurrency a job may hold: how far others may run ahead of one that is slow.</summary>
    public const int WindowFactor = 4;

    /// <summary>Bodies that a job may hold; the item that reaches it is the last, bytes.</summary>
    public const long WindowBytesMax = 64L << 20;

    /// <summary>Most bytes of bodies given to the queue in one transaction; the item that reaches it is the last.</summary>
    public const long StepBytesMax = 4L << 20;

    /// <summary>Most items given to the queue in one transaction.</summary>
    public const int StepMax = 100;

    /// <summary>Most items that a job may hold.</summary>
    public static int WindowMax(int concurrency) => concurrency * WindowFactor;

    /// <returns>0 when none may be fed now: it does not run, its input is read, or its window is full.</returns>
    public static int Room(BatchJob job, BatchWindow window)
    {
        if (job.State != BatchState.Running || job.IsReadToEnd || window.HeldBytes >= WindowBytesMax)
        {
            return 0;
        }

        return Math.Clamp(Math.Min(job.Concurrency - window.Live, WindowMax(job.Concurrency) - window.Held), 0, StepMax);
    }
}
