using System.Data.Common;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Core.Prefetch;
using Dormouse.Drivers.Prefetch;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Prefetch;

/// <summary>
/// Has the kernel read the files of a start, in the order in which an earlier one opened them, when an engine says that a call is likely. One revision at a time, so that the rate is one for all.
/// </summary>
internal sealed partial class Prefetcher(
    StartPlaces places, StartRecords records, PrefetchSettings settings, PrefetchReports reports, Func<MachineMemory> memory, TimeProvider time, ILogger<Prefetcher> logger) : IAsyncDisposable
{
    /// <summary>Revisions that wait for their turn; one more is not read for.</summary>
    public const int WaitingMax = 64;

    /// <summary>Pauses are not shorter: what was read in the meantime counts for the next one.</summary>
    private static readonly TimeSpan PauseMin = TimeSpan.FromMilliseconds(20);

    private readonly BackgroundTasks _tasks = new();
    private readonly SemaphoreSlim _turn = new(1);
    private readonly CancellationTokenSource _stopping = new();
    private int _waiting;

    /// <summary>Returns at once.</summary>
    /// <param name="why">Why a call is likely.</param>
    public void Want(Revision revision, string why)
    {
        if (settings.BytesMax == 0)
        {
            return;
        }

        if (Interlocked.Increment(ref _waiting) > WaitingMax)
        {
            Interlocked.Decrement(ref _waiting);
            reports.Add(revision, PrefetchOutcome.Busy, why);
            return;
        }

        _tasks.Add(Task.Run(() => RunAsync(revision, why)));
    }

    /// <summary>Ends when all that was wanted is done.</summary>
    public Task WhenAllAsync() => _tasks.WhenAllAsync();

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _tasks.WhenAllAsync();
    }

    private async Task RunAsync(Revision revision, string why)
    {
        try
        {
            await _turn.WaitAsync(_stopping.Token);
            try
            {
                reports.Add(revision, await ReadAsync(revision, _stopping.Token), why);
            }
            finally
            {
                _turn.Release();
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The server stops.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or BlobsAwayException or DbException)
        {
            LogFailed(e, revision.Id);
            reports.Add(revision, PrefetchOutcome.Failed, why);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    private async Task<PrefetchOutcome> ReadAsync(Revision revision, CancellationToken cancellationToken)
    {
        var folder = await places.PackageFolderAsync(revision, cancellationToken);
        var path = StartPlaces.RecordOf(revision, folder);
        if (records.Read(path) is not { } record)
        {
            return PrefetchOutcome.NotRecorded;
        }

        var machine = memory();
        var left = PrefetchRule.Allowed(settings.BytesMax, machine.AvailableBytes, machine.TotalBytes);
        if (left < CachedFile.ChunkBytes)
        {
            return PrefetchOutcome.MemoryShort;
        }

        var (bytes, files, changed, since) = (0L, 0, 0, time.GetTimestamp());
        foreach (var used in record.Files)
        {
            using var file = places.Find(revision, folder, used) is { } place ? CachedFile.TryOpen(place) : null;
            if (file is null || file.Length != used.SizeBytes)
            {
                changed++;
                continue;
            }

            files++;
            foreach (var chunk in used.Chunks().TakeWhile(c => c < file.ChunkCount))
            {
                // Asking for what is there already costs the call.
                if ((file.MissingBytes(chunk) ?? file.BytesOf(chunk)) is > 0 and var missing)
                {
                    if (bytes + missing > left)
                    {
                        return new PrefetchOutcome("bounded", bytes, files);
                    }

                    file.WillNeed(chunk);
                    bytes += missing;
                    await PaceAsync(bytes, since, cancellationToken);
                }
            }
        }

        if (changed > files)
        {
            records.Drop(path, $"{changed} of its {record.Files.Length} files are gone or have changed");
        }

        return new PrefetchOutcome(bytes > 0 ? "read" : "in_memory", bytes, files);
    }

    /// <summary>Waits while more was asked for than the rate allows.</summary>
    private async Task PaceAsync(long bytes, long since, CancellationToken cancellationToken)
    {
        var ahead = TimeSpan.FromSeconds((double)bytes / settings.BytesPerSecond) - time.GetElapsedTime(since);
        if (ahead >= PauseMin)
        {
            await Task.Delay(ahead, time, cancellationToken);
        }
    }

    [LoggerMessage(EventId = 2305, EventName = "PrefetchFailed", Level = LogLevel.Warning, Message = "The files of {Revision} could not be read ahead of a call; the call starts an instance as ever")]
    private partial void LogFailed(Exception exception, RevisionId revision);
}
