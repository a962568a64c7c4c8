using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;
using Dormouse.Server.Gateway;
using Dormouse.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Queues;

/// <summary>
/// The items that this server has taken from the queue: gives each to a <see cref="QueueAttempt"/>, holds their leases, and stores what became of them. What follows from an attempt is decided
/// in Core.
/// </summary>
internal sealed partial class HeldItems(
    IQueueStore store, QueueAttempt attempts, IInvocationJournal journal, QueueSignals signals, StoreHealth health, InvocationParts parts, QueueMetrics metrics, ILogger<HeldItems> logger) : IAsyncDisposable
{
    /// <summary>How long a lease lasts; it is held anew after a third of that.</summary>
    public static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(60);

    /// <summary>Pause before an outcome that could not be stored is stored again.</summary>
    private static readonly TimeSpan StoreAgainAfter = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<InvocationId, HeldItem> _held = new();
    private readonly ConcurrentQueue<QueueLease> _doubtful = new();
    private readonly CancellationTokenSource _stopping = new();
    private Task _holding = Task.CompletedTask;

    public HeldCounts Counts { get; } = new();

    private DateTimeOffset Now => parts.Time.GetUtcNow();

    public void Start() => _holding = HoldAsync(_stopping.Token);

    /// <summary>True while its end is still to be told by <see cref="QueueSignals"/>.</summary>
    public bool Has(TenantId tenant, InvocationId item) => _held.TryGetValue(item, out var held) && held.Item.Tenant == tenant;

    /// <param name="isCounted">It has its place in <see cref="Counts"/> already.</param>
    public void Begin(LeasedItem leased, bool isCounted)
    {
        var held = new HeldItem(leased.Item);
        if (!isCounted)
        {
            Counts.Change(leased.Item.Endpoint, running: 1, storing: 0);
        }

        _held[leased.Item.Id] = held;
        held.Task = Task.Run(() => RunAsync(leased, held));
    }

    /// <summary>What waits of it gives up, what runs is not kept.</summary>
    public void Cancel(InvocationId item)
    {
        if (_held.TryGetValue(item, out var held))
        {
            held.Cancel();
        }
    }

    /// <summary>An item that may have been taken and will not be run from here, since nobody knows: the store did not answer.</summary>
    public void Doubt(QueueLease lease) => _doubtful.Enqueue(lease);

    /// <summary>Gives back what is in doubt: who asked for it was refused, and it may be in the queue all the same.</summary>
    public async Task GiveBackAsync(CancellationToken cancellationToken)
    {
        while (_doubtful.TryPeek(out var lease))
        {
            await store.EndAsync(lease, new QueueVerdict.Again(Now, Counts: false, "the store did not answer when it was accepted"), null, Now, cancellationToken);
            _doubtful.TryDequeue(out _);
            signals.Work();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
        }

        await _holding;
        await Task.WhenAll(_held.Values.Select(i => i.Task));
        _stopping.Dispose();
    }

    private async Task RunAsync(LeasedItem leased, HeldItem held)
    {
        var item = leased.Item;
        var end = (EndedInvocation?)null;
        var hasEnded = false;
        var isStoring = false;
        try
        {
            AttemptEnding ending;
            try
            {
                ending = await attempts.RunAsync(leased, held.Cancelled);
            }
            catch (Exception e)
            {
                // The top of its own task. Whatever it was, the item must not stay leased for ever.
                LogAttemptFailed(item.Id, e);
                ending = new AttemptEnding(QueueAttempt.Faulted(item), null);
            }

            // Its slot is free: the next one is taken while this one's outcome is stored, often in the same transaction.
            isStoring = true;
            Counts.Change(item.Endpoint, running: -1, storing: 1);
            signals.Freed();

            await parts.Steps.ReachedAsync(QueueStep.Finished);
            var now = Now;
            var verdict = ending.Result is { } result ? AttemptRule.Judge(item, result, now, parts.Resolver.DrawFraction()) : new QueueVerdict.Again(now, Counts: true, "cancelled");
            var isStored = await StoreAsync(item, verdict, ending, now);
            await parts.Steps.ReachedAsync(QueueStep.Stored);
            if (ending.Result is not null)
            {
                metrics.Ended(item, verdict);
            }

            if (verdict is QueueVerdict.Finished finished)
            {
                hasEnded = true;
                end = isStored ? new EndedInvocation(item.After(verdict, now), finished.Answer) : null;
            }

            if (verdict is not QueueVerdict.Finished || !isStored)
            {
                signals.Work();
            }
        }
        finally
        {
            // Before its end is told: whoever finds it here may wait for that. The next attempt may have its place already.
            _held.TryRemove(KeyValuePair.Create(item.Id, held));
            Counts.Change(item.Endpoint, isStoring ? 0 : -1, isStoring ? -1 : 0);
            held.Dispose();
            if (hasEnded)
            {
                signals.Ended(item.Id, end);
            }

            if (item.Group is not null)
            {
                signals.Noted(item.Tenant, item.Endpoint);
            }

            signals.Freed();
        }
    }

    /// <summary>Until it is stored: the lease is held meanwhile, and an item whose outcome never is stored runs again. False when it is not this server's any more.</summary>
    private async Task<bool> StoreAsync(QueueItem item, QueueVerdict verdict, AttemptEnding ending, DateTimeOffset now)
    {
        while (true)
        {
            var failures = health.Failures;
            try
            {
                var isStored = await store.EndAsync(item.Lease, verdict, ending.Receipt, now, CancellationToken.None);
                if (!isStored && ending.Result is not null)
                {
                    LogLost(item.Id);
                }

                if (ending.Receipt is { } receipt)
                {
                    journal.Folded(receipt);
                }

                health.Succeeded(failures);
                return isStored;
            }
            catch (Exception e) when (e is not ObjectDisposedException)
            {
                health.Failed(e);
                try
                {
                    await Task.Delay(StoreAgainAfter, parts.Time, _stopping.Token);
                }
                catch (OperationCanceledException)
                {
                    LogNotStored(item.Id);
                    return false;
                }
            }
        }
    }

    /// <summary>The next attempt, which has another lease, goes on.</summary>
    private void Lost(QueueLease lease)
    {
        if (_held.TryGetValue(lease.Id, out var held) && held.Item.Fence == lease.Fence)
        {
            held.Cancel();
        }
    }

    private async Task HoldAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(LeaseTime / 3, parts.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                ImmutableArray<QueueLease> held = [.. _held.Values.Select(i => i.Item.Lease)];
                if (held.IsEmpty)
                {
                    continue;
                }

                try
                {
                    foreach (var lost in await store.ExtendAsync(held, Now + LeaseTime, cancellationToken))
                    {
                        Lost(lost);
                        signals.Ended(lost.Id, null);
                        signals.Work();
                    }
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    health.Failed(e);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    [LoggerMessage(EventId = 6002, EventName = "QueueLeaseLost", Level = LogLevel.Warning,
        Message = "Queued invocation {Invocation} was cancelled or taken by another server while it ran here; its answer is dropped, its receipt kept")]
    private partial void LogLost(InvocationId invocation);

    [LoggerMessage(EventId = 6003, EventName = "QueueOutcomeNotStored", Level = LogLevel.Warning,
        Message = "The outcome of queued invocation {Invocation} could not be stored before the server stopped; it runs again at the next start")]
    private partial void LogNotStored(InvocationId invocation);

    [LoggerMessage(EventId = 6004, EventName = "QueueAttemptFailed", Level = LogLevel.Error, Message = "An attempt of queued invocation {Invocation} failed in the server")]
    private partial void LogAttemptFailed(InvocationId invocation, Exception fault);

    private sealed class HeldItem(QueueItem item) : IDisposable
    {
        private readonly CancellationTokenSource _cancelled = new();

        public QueueItem Item => item;

        public CancellationToken Cancelled => _cancelled.Token;

        public Task Task { get; set; } = Task.CompletedTask;

        public void Cancel()
        {
            try
            {
                _cancelled.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // It ended by itself meanwhile.
            }
        }

        public void Dispose() => _cancelled.Dispose();
    }
}
