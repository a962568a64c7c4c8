using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Queues;

/// <summary>
/// Takes items that are due from the store, as many as could run, gives each to a <see cref="QueueAttempt"/>, holds their leases, and stores what became of them. What to take and
/// what follows from an attempt is decided in Core.
/// </summary>
internal sealed partial class QueueLoop(
    IQueueStore store, QueueAttempt attempts, QueueSignals signals, AsyncLimits limits, InvocationParts parts, InvocationRunner runner, QueuesSettings settings, QueueMetrics metrics,
    ILogger<QueueLoop> logger) : IAsyncDisposable
{
    /// <summary>How long a lease lasts; it is held anew after a third of that.</summary>
    public static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(60);

    /// <summary>Looks at the queue this often without being told: for what falls due unforeseen, and after a fault of the store.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan SweepInterval = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan ExpiryInterval = TimeSpan.FromSeconds(1);

    /// <summary>Pause before an outcome that could not be stored is stored again.</summary>
    private static readonly TimeSpan StoreAgainAfter = TimeSpan.FromSeconds(1);

    /// <summary>Most items that one transaction ends or removes.</summary>
    private const int AtOnceMax = 500;

    private readonly ConcurrentDictionary<InvocationId, InFlight> _inFlight = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Guid _owner = parts.Server.Id;
    private Task _running = Task.CompletedTask;
    private Task _holding = Task.CompletedTask;
    private DateTimeOffset _nextExpiry;
    private DateTimeOffset _nextSweep;
    private int _hasFailed;
    private int _failures;
    private uint _turn;

    public void Start()
    {
        _running = RunAsync(_stopping.Token);
        _holding = HoldAsync(_stopping.Token);
    }

    /// <summary>Items of an endpoint that this server has taken.</summary>
    public int Running(EndpointId endpoint) => _inFlight.Values.Count(i => i.Endpoint == endpoint);

    /// <summary>The item was cancelled: what waits of it gives up, what runs is not kept.</summary>
    public void Cancelled(InvocationId item)
    {
        if (_inFlight.TryGetValue(item, out var running))
        {
            running.Cancel();
        }

        signals.Ended(item);
        signals.Work();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
        }

        await _running;
        await _holding;
        await Task.WhenAll(_inFlight.Values.Select(i => i.Task));
        _stopping.Dispose();
    }

    private DateTimeOffset Now => parts.Time.GetUtcNow();

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        var isMine = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            var pause = LookInterval;
            try
            {
                if (!isMine)
                {
                    // The data folder is this process's alone: what an earlier one had taken is free. So is what anybody else had, where the database is the folder's as well.
                    Ended(await store.ReclaimAsync(_owner, Now, cancellationToken));
                    if (!store.IsShared)
                    {
                        Ended(await store.TakeOverAsync(_owner, null, Now, cancellationToken));
                    }

                    isMine = true;
                }

                var failures = Volatile.Read(ref _failures);
                pause = await PassAsync(cancellationToken);
                Succeeded(failures);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                // The top of the loop: the store may be back a little later.
                Failed(e);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            if (!await signals.WhenWorkAsync(pause, parts.Time, cancellationToken))
            {
                return;
            }
        }
    }

    /// <summary>Read, decide, act. Returns when to look again.</summary>
    private async Task<TimeSpan> PassAsync(CancellationToken cancellationToken)
    {
        var now = Now;
        await ClearAsync(now, cancellationToken);
        if (runner.IsStopping)
        {
            return LookInterval;
        }

        var all = await store.DepthsAsync(now, cancellationToken);
        metrics.Saw(all);
        var depths = all.Where(d => d.Queued > 0).ToList();
        foreach (var gone in depths.Where(d => parts.Routes.NameOf(d.Endpoint) is null))
        {
            await EndAllAsync(() => store.CancelAllAsync(gone.Endpoint, "its endpoint was deleted", now, AtOnceMax, cancellationToken));
        }

        var wishes = LeaseShares.Divide(settings.InFlight - _inFlight.Count, [.. InTurn(depths).Select(d => limits.Demand(d, Running(d.Endpoint)))]);
        if (wishes.IsEmpty)
        {
            return Sooner(limits.Wait(depths));
        }

        var taken = await store.LeaseAsync(_owner, wishes, now, now + LeaseTime, cancellationToken);
        foreach (var item in taken.Items)
        {
            Begin(item);
            limits.Taken(item.Item.Endpoint);
        }

        var untilDue = Sooner(taken.NextDue - now);
        return limits.Wait(depths) is { } untilAllowed && untilAllowed < untilDue ? untilAllowed : untilDue;
    }

    private static TimeSpan Sooner(TimeSpan? wait) => wait < LookInterval ? wait.Value : LookInterval;

    /// <summary>Ends what nobody may begin any more, and removes what was kept long enough.</summary>
    private async Task ClearAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (now >= _nextExpiry)
        {
            await EndAllAsync(() => store.ExpireAsync(now, AtOnceMax, cancellationToken));
            if (store.IsShared)
            {
                // Of servers that ended, or that have not held their leases for another reason.
                Ended(await store.TakeOverAsync(_owner, now, now, cancellationToken));
            }

            _nextExpiry = now + ExpiryInterval;
        }

        if (now < _nextSweep)
        {
            return;
        }

        _nextSweep = now + SweepInterval;
        while (await store.SweepAsync(now - settings.Keep, now, AtOnceMax, cancellationToken) == AtOnceMax)
        {
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>The same in another order each time, so that of many endpoints none is always first.</summary>
    private IEnumerable<QueueDepth> InTurn(List<QueueDepth> depths)
    {
        var first = depths.Count == 0 ? 0 : (int)(_turn++ % (uint)depths.Count);
        return depths.Skip(first).Concat(depths.Take(first));
    }

    private void Begin(LeasedItem leased)
    {
        var flight = new InFlight(leased.Item);
        _inFlight[leased.Item.Id] = flight;
        flight.Task = Task.Run(() => RunAsync(leased, flight));
    }

    private async Task RunAsync(LeasedItem leased, InFlight flight)
    {
        var item = leased.Item;
        try
        {
            AttemptEnding ending;
            try
            {
                ending = await attempts.RunAsync(leased, flight.Cancelled);
            }
            catch (Exception e)
            {
                // The top of its own task. Whatever it was, the item must not stay leased for ever.
                LogAttemptFailed(item.Id, e);
                ending = new AttemptEnding(QueueAttempt.Faulted(item), null);
            }

            var now = Now;
            var verdict = ending.Result is { } result ? AttemptRule.Judge(item, result, now, parts.Resolver.DrawFraction()) : new QueueVerdict.Again(now, Counts: true, "cancelled");
            await StoreAsync(item, verdict, ending, now);
            if (ending.Result is not null)
            {
                metrics.Ended(item, verdict);
            }

            if (verdict is QueueVerdict.Finished)
            {
                signals.Ended(item.Id);
            }
        }
        finally
        {
            _inFlight.TryRemove(item.Id, out _);
            flight.Dispose();
            signals.Work();
        }
    }

    /// <summary>Until it is stored: the lease is held meanwhile, and an item whose outcome never is stored runs again.</summary>
    private async Task StoreAsync(QueueItem item, QueueVerdict verdict, AttemptEnding ending, DateTimeOffset now)
    {
        while (true)
        {
            var failures = Volatile.Read(ref _failures);
            try
            {
                if (!await store.EndAsync(item.Lease, verdict, ending.Receipt, now, CancellationToken.None) && ending.Result is not null)
                {
                    LogLost(item.Id);
                }

                Succeeded(failures);
                return;
            }
            catch (Exception e) when (e is not ObjectDisposedException)
            {
                Failed(e);
                try
                {
                    await Task.Delay(StoreAgainAfter, parts.Time, _stopping.Token);
                }
                catch (OperationCanceledException)
                {
                    LogNotStored(item.Id);
                    return;
                }
            }
        }
    }

    private async Task HoldAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(LeaseTime / 3, parts.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                ImmutableArray<QueueLease> held = [.. _inFlight.Values.Select(i => i.Lease)];
                if (held.IsEmpty)
                {
                    continue;
                }

                try
                {
                    foreach (var lost in await store.ExtendAsync(held, Now + LeaseTime, cancellationToken))
                    {
                        Cancelled(lost.Id);
                    }
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    Failed(e);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    /// <summary>However many they are, in transactions that hold up nobody.</summary>
    private async Task EndAllAsync(Func<Task<ImmutableArray<InvocationId>>> endSome)
    {
        ImmutableArray<InvocationId> ended;
        do
        {
            ended = await endSome();
            Ended(ended);
        }
        while (ended.Length == AtOnceMax);
    }

    private void Ended(ImmutableArray<InvocationId> items)
    {
        foreach (var item in items)
        {
            signals.Ended(item);
        }
    }

    /// <summary>Said once while it goes on.</summary>
    private void Failed(Exception fault)
    {
        Interlocked.Increment(ref _failures);
        if (Interlocked.Exchange(ref _hasFailed, 1) == 0)
        {
            LogStoreFailed(fault);
        }
    }

    /// <summary>The store answers again, unless it failed since <paramref name="failures"/> were counted: what began before says nothing of now.</summary>
    private void Succeeded(int failures)
    {
        if (Volatile.Read(ref _failures) == failures)
        {
            Volatile.Write(ref _hasFailed, 0);
        }
    }

    [LoggerMessage(EventId = 6001, EventName = "QueueStoreFailed", Level = LogLevel.Error,
        Message = "The queue's store does not answer; nothing is accepted or run from it until it does, and nothing of it is lost. Is the disk full, or the database away?")]
    private partial void LogStoreFailed(Exception fault);

    [LoggerMessage(EventId = 6002, EventName = "QueueLeaseLost", Level = LogLevel.Warning,
        Message = "Queued invocation {Invocation} was cancelled or taken by another server while it ran here; its answer is dropped, its receipt kept")]
    private partial void LogLost(InvocationId invocation);

    [LoggerMessage(EventId = 6003, EventName = "QueueOutcomeNotStored", Level = LogLevel.Warning,
        Message = "The outcome of queued invocation {Invocation} could not be stored before the server stopped; it runs again at the next start")]
    private partial void LogNotStored(InvocationId invocation);

    [LoggerMessage(EventId = 6004, EventName = "QueueAttemptFailed", Level = LogLevel.Error, Message = "An attempt of queued invocation {Invocation} failed in the server")]
    private partial void LogAttemptFailed(InvocationId invocation, Exception fault);

    /// <summary>An item that this server has.</summary>
    private sealed class InFlight(QueueItem item) : IDisposable
    {
        private readonly CancellationTokenSource _cancelled = new();

        public QueueLease Lease => item.Lease;

        public EndpointId Endpoint => item.Endpoint;

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
