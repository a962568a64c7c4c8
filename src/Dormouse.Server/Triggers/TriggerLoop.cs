using Dormouse.Core.Events;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Triggers;

/// <summary>Has one runner for each trigger that pulls and is not paused. Without triggers it has asked the store once.</summary>
internal sealed partial class TriggerLoop(ITriggerStore store, Lazy<EventKinds> kinds, TriggerParts parts, ILogger<TriggerLoop> logger) : IAsyncDisposable
{
    private static readonly TimeSpan StoreAgainAfter = TimeSpan.FromSeconds(5);

    /// <summary>Held while runners are exchanged.</summary>
    private readonly SemaphoreSlim _changing = new(1, 1);
    private readonly Dictionary<TriggerId, TriggerRunner> _runners = [];
    private readonly CancellationTokenSource _stopping = new();
    private Task _starting = Task.CompletedTask;

    public void Start() => _starting = StartAsync(_stopping.Token);

    /// <summary>It was made or changed: what ran of it ends first.</summary>
    public async Task ChangedAsync(Trigger trigger)
    {
        await _changing.WaitAsync(_stopping.Token);
        try
        {
            await ReplaceAsync(trigger.Id, trigger);
        }
        finally
        {
            _changing.Release();
        }
    }

    public async Task RemovedAsync(TriggerId trigger)
    {
        await _changing.WaitAsync(_stopping.Token);
        try
        {
            await ReplaceAsync(trigger, null);
        }
        finally
        {
            _changing.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        await _starting;
        await _changing.WaitAsync(CancellationToken.None);
        await Task.WhenAll(_runners.Values.Select(r => r.DisposeAsync().AsTask()));
        _runners.Clear();
        _stopping.Dispose();
        _changing.Dispose();
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        var hasFailed = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                foreach (var trigger in await store.AllAsync(cancellationToken))
                {
                    await _changing.WaitAsync(cancellationToken);
                    try
                    {
                        // One that was changed meanwhile runs as it is now.
                        if (!_runners.ContainsKey(trigger.Id))
                        {
                            await ReplaceAsync(trigger.Id, trigger);
                        }
                    }
                    finally
                    {
                        _changing.Release();
                    }
                }

                return;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // The top of the loop: the store may be back a little later.
                if (!hasFailed)
                {
                    LogStoreFailed(e);
                }

                hasFailed = true;
            }

            try
            {
                await Task.Delay(StoreAgainAfter, parts.Time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task ReplaceAsync(TriggerId id, Trigger? trigger)
    {
        if (_runners.Remove(id, out var before))
        {
            await before.DisposeAsync();
        }

        if (trigger is { IsPaused: false } && kinds.Value.Find(trigger.Kind) is { IsPulled: true } kind)
        {
            _runners[id] = TriggerRunner.Start(trigger, kind, parts);
        }
    }

    [LoggerMessage(EventId = 6203, EventName = "TriggerStoreFailed", Level = LogLevel.Error,
        Message = "The triggers cannot be read; none runs until they can. Is the disk full?")]
    private partial void LogStoreFailed(Exception fault);
}
