using Dormouse.Core.Events;
using Dormouse.Core.Sharing;
using Dormouse.Server.Queues;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Triggers;

/// <summary>
/// Has one runner for each trigger that pulls and is not paused; of servers that share the store one has all of them. Without triggers it asks the store now and then.
/// </summary>
internal sealed partial class TriggerLoop(ITriggerStore store, Lazy<EventKinds> kinds, IServerSharing sharing, TriggerParts parts, ILogger<TriggerLoop> logger) : IAsyncDisposable
{
    private static readonly TimeSpan StoreAgainAfter = TimeSpan.FromSeconds(5);

    /// <summary>What another server that shares the store has changed is noticed within this time.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(30);

    /// <summary>Held while runners are exchanged.</summary>
    private readonly SemaphoreSlim _changing = new(1, 1);
    private readonly Dictionary<TriggerId, TriggerRunner> _runners = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly SignalledWait _changed = new();
    private Task _starting = Task.CompletedTask;

    public void Start() => _starting = StartAsync(_stopping.Token);

    /// <summary>Triggers were changed by another server, or this one is to run them from now on, or no longer.</summary>
    public void LookSoon() => _changed.Signal();

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
            var pause = LookInterval;
            try
            {
                await LookAsync(cancellationToken);
                hasFailed = false;
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

                (hasFailed, pause) = (true, StoreAgainAfter);
            }

            if (!await _changed.WaitAsync(pause, parts.Time, cancellationToken))
            {
                return;
            }
        }
    }

    /// <summary>Makes what runs be what is stored. It is read with the runners held, so that nothing older than a change comes after it.</summary>
    private async Task LookAsync(CancellationToken cancellationToken)
    {
        await _changing.WaitAsync(cancellationToken);
        try
        {
            var all = sharing.IsOwner ? await store.AllAsync(cancellationToken) : [];
            foreach (var gone in _runners.Keys.Except(all.Select(t => t.Id)).ToList())
            {
                await ReplaceAsync(gone, null);
            }

            foreach (var trigger in all)
            {
                if (_runners.TryGetValue(trigger.Id, out var runner) ? !IsSame(runner.Trigger, trigger) : !trigger.IsPaused)
                {
                    await ReplaceAsync(trigger.Id, trigger);
                }
            }
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Their progress aside.</summary>
    private static bool IsSame(Trigger one, Trigger other) =>
        (one.Kind, one.Endpoint, one.Filter, one.Input, one.BatchSize, one.BatchWindow, one.IsPaused) == (other.Kind, other.Endpoint, other.Filter, other.Input, other.BatchSize, other.BatchWindow, other.IsPaused)
        && one.Source.SequenceEqual(other.Source);

    private async Task ReplaceAsync(TriggerId id, Trigger? trigger)
    {
        if (_runners.Remove(id, out var before))
        {
            await before.DisposeAsync();
        }

        if (trigger is { IsPaused: false } && sharing.IsOwner && kinds.Value.Find(trigger.Kind) is { IsPulled: true } kind)
        {
            _runners[id] = TriggerRunner.Start(trigger, kind, parts);
        }
    }

    [LoggerMessage(EventId = 6203, EventName = "TriggerStoreFailed", Level = LogLevel.Error,
        Message = "The triggers cannot be read; none runs until they can. Is the disk full?")]
    private partial void LogStoreFailed(Exception fault);
}
