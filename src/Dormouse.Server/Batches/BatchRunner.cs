using System.Buffers;
using Dormouse.Core.Batches;
using Dormouse.Server.Batches.Inputs;
using Dormouse.Server.Queues;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Batches;

/// <summary>
/// Runs one job on this server: writes what has ended to its results, in order, and feeds the queue what there is room for, until nothing of it is left to happen. What it holds is one
/// piece of input and one piece of results; everything else is in the store.
/// </summary>
internal sealed partial class BatchRunner : IAsyncDisposable
{
    /// <summary>Most items that one step writes to the results.</summary>
    private const int CollectMax = 200;

    /// <summary>Most bytes of answers of one step, and one answer more.</summary>
    private const long CollectBytesMax = 4L << 20;

    /// <summary>Looks this often without being told: another server that shares the queue may have run an item.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan AgainAfter = TimeSpan.FromSeconds(1);

    private readonly BatchParts _parts;
    private readonly BatchFeed _feed;
    private readonly SignalledWait _wake = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly BatchJob _first;
    private readonly Lock _endLock = new();
    private ResultsFile? _results;
    private bool _hasFailed;
    private bool _isChanged;
    private bool _isOver;

    private BatchRunner(BatchJob job, BatchParts parts)
    {
        (_first, _parts) = (job, parts);
        _feed = new BatchFeed(job.Id, parts);
    }

    /// <summary>Ends when nothing of the job is left to happen, or by <see cref="DisposeAsync"/>.</summary>
    public Task Running { get; private set; } = Task.CompletedTask;

    /// <param name="before">An earlier one of the same job, which may still be closing its files.</param>
    public static BatchRunner Start(BatchJob job, BatchParts parts, Task before)
    {
        var runner = new BatchRunner(job, parts);
        parts.Signals.ItemEnded += runner.Wake;
        runner.Running = Task.Run(async () =>
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await runner.RunAsync();
        });
        return runner;
    }

    /// <summary>Something of the job has changed. False: it has found nothing left to do, and only another one would see the change.</summary>
    public bool TryTell()
    {
        lock (_endLock)
        {
            if (_isOver)
            {
                return false;
            }

            _isChanged = true;
        }

        Wake();
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
        }

        await Running;
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        var cancellationToken = _stopping.Token;
        try
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                var pause = LookInterval;
                Seen();
                try
                {
                    var next = await PassAsync(cancellationToken);
                    if (next is null && TryEnd())
                    {
                        return;
                    }

                    (pause, _hasFailed) = (next ?? TimeSpan.Zero, false);
                }
                catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                {
                    return;
                }
                catch (InputUnreadableException e)
                {
                    await _feed.CloseAsync();
                    await StopAsync(e.Message, cancellationToken);
                    pause = TimeSpan.Zero;
                }
                catch (InvalidDataException e)
                {
                    // Its results are gone: nothing that this server could do brings it further.
                    await StopAsync(e.Message, cancellationToken);
                    if (TryEnd())
                    {
                        return;
                    }

                    pause = TimeSpan.Zero;
                }
                catch (Exception e)
                {
                    // The top of the loop: the store or the disk may be back a little later.
                    await _feed.CloseAsync();
                    await CloseResultsAsync();
                    Failed(e);
                    pause = AgainAfter;
                }

                if (pause > TimeSpan.Zero && !await _wake.WaitAsync(pause, _parts.Time, cancellationToken))
                {
                    return;
                }
            }
        }
        finally
        {
            Over();
            _parts.Signals.ItemEnded -= Wake;
            await _feed.DisposeAsync();
            await CloseResultsAsync();
            _parts.Metrics.Stopped(_first);
        }
    }

    private void Wake() => _wake.Signal();

    /// <summary>What is told from now on may be missed by the pass that begins.</summary>
    private void Seen()
    {
        lock (_endLock)
        {
            _isChanged = false;
        }
    }

    /// <summary>False when something has changed since the pass began: there may be more to do.</summary>
    private bool TryEnd()
    {
        lock (_endLock)
        {
            return _isOver = !_isChanged;
        }
    }

    private void Over()
    {
        lock (_endLock)
        {
            _isOver = true;
        }
    }

    /// <summary>How long to wait for the next one; null = nothing is left to happen.</summary>
    private async Task<TimeSpan?> PassAsync(CancellationToken cancellationToken)
    {
        if (await _parts.Store.FindAsync(_first.Tenant, _first.Id, cancellationToken) is not { } job)
        {
            return null;
        }

        _results ??= ResultsFile.Open(_parts.Results.Path, job.Id, job.ResultsBytes);
        while (await CollectAsync(job, cancellationToken) is { } further)
        {
            job = further;
        }

        // An empty input ends here, and so does one whose last lines were no items.
        if (job.Settled(_parts.Time.GetUtcNow()) != job)
        {
            job = await _parts.Store.ChangeAsync(job.Id, j => j.Settled(_parts.Time.GetUtcNow()), cancellationToken) ?? job;
        }

        _parts.Metrics.Held(job);
        if (!job.IsActive)
        {
            LogEnded(job.Id, job.State, job.Succeeded, job.Failures);
            return null;
        }

        return await _feed.FeedAsync(job, cancellationToken) switch
        {
            FeedOutcome.Fed => TimeSpan.Zero,
            FeedOutcome.Waits => AgainAfter,
            _ => LookInterval,
        };
    }

    /// <summary>Writes the next items that have ended to the results; null when there are none.</summary>
    private async Task<BatchJob?> CollectAsync(BatchJob job, CancellationToken cancellationToken)
    {
        var ended = await _parts.Store.EndedAsync(job.Id, CollectMax, CollectBytesMax, cancellationToken);
        if (ended.IsEmpty)
        {
            return null;
        }

        var lines = new ArrayBufferWriter<byte>();
        var succeeded = ended.Count(item => ResultLine.Write(lines, item));
        var length = await _results!.AppendAsync(lines.WrittenMemory);
        var collected = new BatchCollection(
            ended[^1].Number, succeeded, ended.Length - succeeded, length, ended.Aggregate(Int128.Zero, (sum, i) => sum + i.CostPico), ended.Sum(i => i.Attempts));
        BatchJob? next;
        try
        {
            next = await _parts.Store.CollectAsync(job.Id, collected, _parts.Time.GetUtcNow(), cancellationToken);
        }
        catch
        {
            // Whether it was stored is not known: the file is cut to what the job says the next time.
            await CloseResultsAsync();
            throw;
        }

        _parts.Metrics.Ended(job, succeeded, ended.Length - succeeded);
        return next;
    }

    private async Task StopAsync(string reason, CancellationToken cancellationToken)
    {
        try
        {
            var isNew = false;
            await _parts.Store.ChangeAsync(
                _first.Id,
                j =>
                {
                    isNew = j.State == BatchState.Running;
                    return j.Stopped(reason, _parts.Time.GetUtcNow());
                },
                cancellationToken);
            if (isNew)
            {
                LogStopped(_first.Id, reason);
            }
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            Failed(e);
        }
        catch (OperationCanceledException)
        {
            // The server stops; the next one finds the same.
        }
    }

    private async ValueTask CloseResultsAsync()
    {
        if (_results is { } open)
        {
            _results = null;
            await open.DisposeAsync();
        }
    }

    /// <summary>Said once while it goes on.</summary>
    private void Failed(Exception fault)
    {
        if (!_hasFailed)
        {
            _hasFailed = true;
            LogFailed(_first.Id, fault);
        }
    }

    private void LogEnded(BatchId job, BatchState state, long succeeded, long failed) => LogEnded(_parts.Logger, job, state, succeeded, failed);

    private void LogStopped(BatchId job, string reason) => LogStopped(_parts.Logger, job, reason);

    private void LogFailed(BatchId job, Exception fault) => LogFailed(_parts.Logger, job, fault);

    [LoggerMessage(EventId = 6301, EventName = "BatchEnded", Level = LogLevel.Information, Message = "Batch job {Job} is {State}: {Succeeded} items succeeded, {Failed} failed")]
    private static partial void LogEnded(ILogger logger, BatchId job, BatchState state, long succeeded, long failed);

    [LoggerMessage(EventId = 6302, EventName = "BatchStopped", Level = LogLevel.Warning, Message = "Batch job {Job} stopped: {Reason}")]
    private static partial void LogStopped(ILogger logger, BatchId job, string reason);

    [LoggerMessage(EventId = 6303, EventName = "BatchFailed", Level = LogLevel.Error,
        Message = "Batch job {Job} cannot go on now and tries again every second; nothing of it is lost. Is the disk full, or the database away?")]
    private static partial void LogFailed(ILogger logger, BatchId job, Exception fault);
}
