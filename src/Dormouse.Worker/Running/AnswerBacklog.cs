using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;

namespace Dormouse.Worker.Running;

/// <summary>
/// Bytes of answers that their callers have not read. A slot is free before its answer is read, so without a bound callers who read slowly would fill the
/// instance's memory. While the backlog is full no run begins: it waits a moment for readers, then it is refused. What is held is thus never more than the bound
/// and one answer for each run at once.
/// </summary>
internal sealed class AnswerBacklog(int memoryMib, TimeProvider time)
{
    /// <summary>How long a run waits for readers. A shorter time-out than this of a revision is its run's end, and its instance's.</summary>
    internal static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(2);

    /// <summary>Share of the instance's memory that unread answers may fill.</summary>
    private const int MemoryShare = 4;

    private readonly Lock _bytesLock = new();
    private long _bytes;
    private TaskCompletionSource? _read;

    /// <summary>With this many bytes unread no run begins.</summary>
    internal long BytesMax { get; } = ((long)memoryMib << 20) / MemoryShare;

    /// <summary>Returns when a run may begin; throws <see cref="InferenceException"/> when the backlog stays full.</summary>
    internal async ValueTask WaitForRoomAsync(CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (NextRead() is { } read)
        {
            var rest = WaitMax - time.GetElapsedTime(began);
            try
            {
                await read.WaitAsync(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, time, cancellationToken);
            }
            catch (TimeoutException)
            {
                throw new InferenceException(
                    ProblemCode.CapacityExhausted,
                    $"Answers of {BytesMax} bytes and more wait to be read by slow callers, as much as an instance of {memoryMib} MiB keeps (a quarter of its memory). Send it again, read answers faster, or deploy with more --memory.");
            }
        }
    }

    /// <summary>An answer of so many bytes is to be sent; <see cref="Release"/> it when it was.</summary>
    internal void Hold(long bytes)
    {
        lock (_bytesLock)
        {
            _bytes += bytes;
        }
    }

    internal void Release(long bytes)
    {
        TaskCompletionSource? read;
        lock (_bytesLock)
        {
            _bytes -= bytes;
            (read, _read) = (_read, null);
        }

        read?.SetResult();
    }

    /// <summary>Null when there is room, else what completes when somebody has read an answer.</summary>
    private Task? NextRead()
    {
        lock (_bytesLock)
        {
            return _bytes < BytesMax ? null : (_read ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }
}
