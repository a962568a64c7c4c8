using System.Collections.Immutable;
using Dormouse.Core.Batches;
using Dormouse.Server.Hosting;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Batches;

/// <summary>Has one runner for each job of this server of which something is to happen, and removes jobs that were kept long enough.</summary>
internal sealed partial class BatchLoop : IAsyncDisposable
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(30);

    private const int RemovedAtOnceMax = 100;

    private readonly BatchParts _parts;
    private readonly Lock _runnersLock = new();
    private readonly Dictionary<BatchId, BatchRunner> _runners = [];
    private readonly PeriodicWork _work;
    private readonly ILogger<BatchLoop> _logger;
    private bool _isStopped;
    private bool _hasFailed;

    public BatchLoop(BatchParts parts, ILogger<BatchLoop> logger)
    {
        (_parts, _logger) = (parts, logger);
        _work = new PeriodicWork(LookInterval, isDoneAtStart: true, LookAsync, parts.Time);
    }

    /// <summary>Jobs that this server has.</summary>
    private Guid Owner => _parts.Invocations.Server.Id;

    public void Start() => _work.Start();

    /// <summary>The job was made or changed.</summary>
    public void Changed(BatchJob job)
    {
        if (job.Owner != Owner)
        {
            return;
        }

        lock (_runnersLock)
        {
            if (_isStopped)
            {
                return;
            }

            var runner = _runners.GetValueOrDefault(job.Id);
            if (runner is not null && runner.TryTell())
            {
                return;
            }

            if (job.IsActive)
            {
                _runners[job.Id] = BatchRunner.Start(job, _parts, runner?.Running ?? Task.CompletedTask);
            }
            else if (runner is { Running.IsCompleted: true })
            {
                _runners.Remove(job.Id);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _work.DisposeAsync();
        lock (_runnersLock)
        {
            _isStopped = true;
        }

        await StopRunnersAsync();
    }

    /// <summary>Ends those that run; each job goes on when it is looked at again.</summary>
    internal async Task StopRunnersAsync()
    {
        List<BatchRunner> runners;
        lock (_runnersLock)
        {
            runners = [.. _runners.Values];
            _runners.Clear();
        }

        await Task.WhenAll(runners.Select(r => r.DisposeAsync().AsTask()));
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (var job in await _parts.Store.ActiveAsync(Owner, cancellationToken))
            {
                Changed(job);
            }

            await RemoveOldAsync(cancellationToken);
            _hasFailed = false;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // The top of the loop: the store may be back at the next look.
            if (!_hasFailed)
            {
                LogFailed(e);
            }

            _hasFailed = true;
        }
    }

    private async Task RemoveOldAsync(CancellationToken cancellationToken)
    {
        ImmutableArray<BatchJob> old;
        do
        {
            old = await _parts.Store.EndedBeforeAsync(Owner, _parts.Time.GetUtcNow() - _parts.Settings.Keep, RemovedAtOnceMax, cancellationToken);
            foreach (var job in old)
            {
                await RemoveAsync(job, cancellationToken);
            }
        }
        while (old.Length == RemovedAtOnceMax);
    }

    /// <summary>Removes a job that has ended, with its results. False when it has not.</summary>
    public async Task<bool> RemoveAsync(BatchJob job, CancellationToken cancellationToken)
    {
        if (!await _parts.Store.RemoveAsync(job.Id, cancellationToken))
        {
            return false;
        }

        File.Delete(ResultsFile.PathOf(_parts.Results.Path, job.Id));
        lock (_runnersLock)
        {
            _runners.Remove(job.Id);
        }

        return true;
    }

    [LoggerMessage(EventId = 6304, EventName = "BatchStoreFailed", Level = LogLevel.Error, Message = "The batch jobs cannot be read; those that do not run yet wait until they can. Is the disk full, or the database away?")]
    private partial void LogFailed(Exception fault);
}
