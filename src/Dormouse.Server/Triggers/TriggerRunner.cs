using Dormouse.Core.Events;
using Dormouse.Server.Queues;
using Dormouse.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Triggers;

/// <summary>What every runner needs.</summary>
internal sealed record TriggerParts(ITriggerStore Store, QueueFeed Feed, TriggerMetrics Metrics, PinnedSteps Steps, TimeProvider Time, ILogger<TriggerRunner> Logger);

/// <summary>
/// Pulls the events of one trigger: receives, queues durably, acknowledges. While the endpoint's queue is full, or does not answer, it holds what it has and pulls nothing more. When
/// its source fails it opens it anew after a pause that grows.
/// </summary>
internal sealed partial class TriggerRunner : IAsyncDisposable
{
    private static readonly TimeSpan ReceiveTime = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan PauseFirst = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan PauseMax = TimeSpan.FromMinutes(1);

    /// <summary>A full queue is asked again so much later.</summary>
    private static readonly TimeSpan FullPause = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan LagInterval = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stopping = new();
    private readonly IEventSourceKind _kind;
    private readonly TriggerParts _parts;
    private readonly Task _running;
    private Trigger _trigger;
    private EventInput _input;
    private DateTimeOffset _lagLookedAt = DateTimeOffset.MinValue;
    private bool _hasFailed;
    private bool _failsNow;
    private bool _isSaid;
    private string? _reported;

    private TriggerRunner(Trigger trigger, IEventSourceKind kind, TriggerParts parts)
    {
        (_trigger, _kind, _parts, _input) = (trigger, kind, parts, new EventInput(trigger));
        _hasFailed = trigger.LastError is not null;
        _running = Task.Run(() => RunAsync(_stopping.Token));
    }

    public Trigger Trigger => _trigger;

    public static TriggerRunner Start(Trigger trigger, IEventSourceKind kind, TriggerParts parts) => new(trigger, kind, parts);

    public async ValueTask DisposeAsync()
    {
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
        }

        await _running;
        _stopping.Dispose();
        _parts.Metrics.Stopped(_trigger);
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        var pause = PauseFirst;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                // As it is stored now: its mark has moved since it was opened before.
                if (await _parts.Store.FindAsync(_trigger.Tenant, _trigger.Name, cancellationToken) is not { } current || current.Id != _trigger.Id)
                {
                    return;
                }

                (_trigger, _input) = (current, new EventInput(current));
                await using var source = await _kind.OpenAsync(current, cancellationToken);
                while (true)
                {
                    await PassAsync(source, cancellationToken);
                    pause = PauseFirst;
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // The top of the loop: a broker that is away, a connection that broke, a store that is full.
                await FailedAsync(e.Message);
            }

            try
            {
                await Task.Delay(pause, _parts.Time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            pause = pause * 2 < PauseMax ? pause * 2 : PauseMax;
        }
    }

    private async Task PassAsync(IEventSource source, CancellationToken cancellationToken)
    {
        _failsNow = false;
        var batch = await CollectAsync(source, cancellationToken);
        if (batch.Count > 0)
        {
            await FireAsync(source, batch, cancellationToken);
        }

        if (!_failsNow)
        {
            await RecoveredAsync(cancellationToken);
        }

        if (source.Mark is { } mark && mark != _trigger.Mark)
        {
            await _parts.Store.MarkAsync(_trigger.Id, mark, cancellationToken);
            _trigger = _trigger with { Mark = mark };
        }

        await LookAtLagAsync(source, cancellationToken);
    }

    private async Task LookAtLagAsync(IEventSource source, CancellationToken cancellationToken)
    {
        if (_parts.Time.GetUtcNow() is var now && now - _lagLookedAt >= LagInterval)
        {
            _lagLookedAt = now;
            _parts.Metrics.Lags(_trigger, await source.LagAsync(cancellationToken));
        }
    }

    /// <summary>Events for one invocation that the filter lets through; none when there were none for a while.</summary>
    private async Task<List<SourceEvent>> CollectAsync(IEventSource source, CancellationToken cancellationToken)
    {
        var batch = new List<SourceEvent>();
        var wait = ReceiveTime;
        DateTimeOffset? end = null;
        while (batch.Count < _trigger.BatchSize && wait > TimeSpan.Zero)
        {
            var received = await source.ReceiveAsync(_trigger.BatchSize - batch.Count, wait, cancellationToken);
            if (received.IsEmpty && end is null)
            {
                break;
            }

            foreach (var bad in received.Where(e => e.Fault is not null))
            {
                await PutAsideAsync(source, bad, bad.Fault!, cancellationToken); // Just looked at.
            }

            received = received.RemoveAll(e => e.Fault is not null);
            var passed = received.RemoveAll(_input.Takes);
            batch.AddRange(received.Where(e => !passed.Contains(e)));
            if (!passed.IsEmpty)
            {
                await source.AcknowledgeAsync(passed, cancellationToken);
                _parts.Metrics.Passed(_trigger, passed.Length);
            }

            end ??= batch.Count > 0 ? _parts.Time.GetUtcNow() + _trigger.BatchWindow : null;
            wait = end is { } until ? until - _parts.Time.GetUtcNow() : wait;
        }

        return batch;
    }

    private async Task FireAsync(IEventSource source, List<SourceEvent> batch, CancellationToken cancellationToken)
    {
        while (true)
        {
            switch (await _parts.Feed.EnqueueAsync(_input.Compose(batch, _parts.Time.GetUtcNow()), cancellationToken))
            {
                case FeedOutcome.Queued queued:
                    // With what was queued the store has taken back why nothing could be.
                    _reported = null;
                    batch.ForEach(e => source.Queued(e, queued.Invocation));
                    await source.AcknowledgeAsync(batch, cancellationToken);
                    await _parts.Steps.ReachedAsync(QueueStep.Acknowledged);
                    _parts.Metrics.Fired(_trigger, batch.Count);
                    return;
                case FeedOutcome.Refused refused:
                    await RefuseAsync(source, batch, refused.Reason, cancellationToken);
                    return;
                case FeedOutcome.Full full:
                    await FailedAsync(full.Reason);
                    // What waits in the source grows now more than ever.
                    await LookAtLagAsync(source, cancellationToken);
                    await Task.Delay(FullPause, _parts.Time, cancellationToken);
                    break;
                case FeedOutcome.NoEndpoint gone:
                    throw new IOException(gone.Reason);
                case FeedOutcome.Away away:
                    throw new IOException(away.Reason);
            }
        }
    }

    /// <summary>What is too large together may fit one by one; what is too large alone is put aside.</summary>
    private async Task RefuseAsync(IEventSource source, List<SourceEvent> batch, string reason, CancellationToken cancellationToken)
    {
        if (batch.Count > 1)
        {
            await FireAsync(source, batch[..(batch.Count / 2)], cancellationToken);
            await FireAsync(source, batch[(batch.Count / 2)..], cancellationToken);
            return;
        }

        await PutAsideAsync(source, batch[0], reason, cancellationToken);
    }

    private async Task PutAsideAsync(IEventSource source, SourceEvent rejected, string reason, CancellationToken cancellationToken)
    {
        LogRejected(_parts.Logger, _trigger.Name, rejected.Id, reason);
        _parts.Metrics.Rejected(_trigger);
        await source.RejectAsync(rejected, reason, cancellationToken);
        await FailedAsync($"event {rejected.Id} was put aside: {reason}", isLogged: true);
    }

    /// <summary>Shown with the trigger; written to the log once while it goes on.</summary>
    /// <param name="isLogged">The log has it already.</param>
    private async Task FailedAsync(string reason, bool isLogged = false)
    {
        if (!isLogged && !_isSaid)
        {
            _isSaid = true;
            LogFailed(_parts.Logger, _trigger.Name, _kind.Name, reason);
        }

        (_hasFailed, _failsNow) = (true, true);
        if (reason == _reported)
        {
            return;
        }

        try
        {
            await _parts.Store.ReportAsync(_trigger.Id, reason, _parts.Time.GetUtcNow(), CancellationToken.None);
            _reported = reason;
        }
        catch (Exception e) when (e is IOException or Storage.StorageFullException or ObjectDisposedException)
        {
            // The log has it.
        }
    }

    /// <summary>A whole pass went well, or nothing came: not before that, so that what fails at each event, or finds the queue full at each, is said once.</summary>
    private async Task RecoveredAsync(CancellationToken cancellationToken)
    {
        if (_hasFailed)
        {
            (_hasFailed, _reported) = (false, null);
            await _parts.Store.ReportAsync(_trigger.Id, null, _parts.Time.GetUtcNow(), cancellationToken);
            if (_isSaid)
            {
                _isSaid = false;
                LogRecovered(_parts.Logger, _trigger.Name, _kind.Name);
            }
        }
    }

    [LoggerMessage(EventId = 6201, EventName = "TriggerFailed", Level = LogLevel.Warning,
        Message = "Trigger {Trigger} ({Kind}) cannot go on and tries again by itself: {Reason}")]
    private static partial void LogFailed(ILogger logger, string trigger, string kind, string reason);

    [LoggerMessage(EventId = 6204, EventName = "TriggerRecovered", Level = LogLevel.Information, Message = "Trigger {Trigger} ({Kind}) goes on")]
    private static partial void LogRecovered(ILogger logger, string trigger, string kind);

    [LoggerMessage(EventId = 6202, EventName = "TriggerEventRejected", Level = LogLevel.Warning,
        Message = "Event {EventId} of trigger {Trigger} cannot be queued and is put aside: {Reason}")]
    private static partial void LogRejected(ILogger logger, string trigger, string eventId, string reason);
}
