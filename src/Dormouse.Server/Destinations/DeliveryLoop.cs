using System.Collections.Concurrent;
using Dormouse.Core.Destinations;
using Dormouse.Server.Gateway;
using Dormouse.Server.Queues;
using Dormouse.Server.Telemetry;
using Dormouse.Storage;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Destinations;

/// <summary>
/// Takes deliveries that are due, of each lane a few at once, and stores what became of each. While nothing uses destinations it asks the store now and then. What a server
/// that was killed had begun is due again when its time is over.
/// </summary>
internal sealed partial class DeliveryLoop(
    IDestinationStore store, DeliveryAttempt attempts, QueueSignals queue, RevisionResolver random, DeliveryMetrics metrics, PinnedSteps steps, TimeProvider time, ILogger<DeliveryLoop> logger) : IAsyncDisposable
{
    /// <summary>Deliveries of one tenant to one destination that are under way at once.</summary>
    private const int PerLaneMax = 4;

    /// <summary>Deliveries under way at once.</summary>
    private const int AtOnceMax = 32;

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan StoreAgainAfter = TimeSpan.FromSeconds(1);

    private readonly SignalledWait _work = new();
    /// <summary>By number and attempt: one whose time was over while the store was away may still go on when the next is taken.</summary>
    private readonly ConcurrentDictionary<(long Number, int Attempt), UnderWay> _underWay = new();
    private readonly CancellationTokenSource _stopping = new();
    private Task _running = Task.CompletedTask;
    private volatile bool _isUsed;
    private volatile bool _isTaking;
    private bool _hasFailed;

    public void Start()
    {
        queue.ItemEnded += Look;
        _running = RunAsync(_stopping.Token);
    }

    /// <summary>Deliveries that are being sent, and one more while some are being taken.</summary>
    public int UnderWayCount => _underWay.Count + (_isTaking ? 1 : 0);

    /// <summary>Somebody uses destinations from now on.</summary>
    public void Use()
    {
        _isUsed = true;
        _work.Signal();
    }

    public async ValueTask DisposeAsync()
    {
        queue.ItemEnded -= Look;
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
        }

        await _running;
        await Task.WhenAll(_underWay.Values.Select(u => u.Task));
        _stopping.Dispose();
    }

    private void Look()
    {
        if (_isUsed)
        {
            _work.Signal();
        }
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        while (!cancellationToken.IsCancellationRequested)
        {
            var pause = LookInterval;
            try
            {
                if (!_isUsed)
                {
                    // Another server that shares the store may have begun to use them.
                    _isUsed |= await store.IsAnyAsync(cancellationToken);
                }

                pause = _isUsed ? await PassAsync(cancellationToken) : LookInterval;
                _hasFailed = false;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                // The top of the loop: the store may be back a little later.
                if (!_hasFailed)
                {
                    LogStoreFailed(e);
                }

                _hasFailed = true;
            }
            catch (OperationCanceledException)
            {
                return;
            }

            if (!await _work.WaitAsync(pause, time, cancellationToken))
            {
                return;
            }
        }
    }

    /// <summary>Read, decide, act. Returns when to look again.</summary>
    private async Task<TimeSpan> PassAsync(CancellationToken cancellationToken)
    {
        _isTaking = true;
        try
        {
            return await TakeAsync(cancellationToken);
        }
        finally
        {
            _isTaking = false;
        }
    }

    private async Task<TimeSpan> TakeAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var lanes = await store.LanesAsync(cancellationToken);
        var busy = _underWay.Values.GroupBy(u => u.Lane).ToDictionary(g => g.Key, g => g.Count());
        var room = AtOnceMax - _underWay.Count;
        var wishes = new List<DeliveryWish>();
        foreach (var due in lanes.Where(l => l.NextAt <= now).OrderBy(l => l.NextAt))
        {
            var count = Math.Min(room, PerLaneMax - busy.GetValueOrDefault(due.Lane));
            if (count > 0)
            {
                wishes.Add(new DeliveryWish(due.Lane, count));
                room -= count;
            }
        }

        if (wishes.Count > 0)
        {
            var until = now + attempts.LongestTime;
            foreach (var delivery in await store.TakeAsync(wishes, now, until, cancellationToken))
            {
                var begun = new UnderWay(delivery.Lane);
                _underWay[(delivery.Number, delivery.Attempts)] = begun;
                begun.Task = Task.Run(() => DeliverAsync(delivery, until), CancellationToken.None);
            }

            // What is due and was not taken is looked at when one that is under way ends.
            lanes = await store.LanesAsync(cancellationToken);
        }

        return Until(lanes, now);
    }

    private static TimeSpan Until(IEnumerable<DueLane> lanes, DateTimeOffset now)
    {
        var next = lanes.Where(l => l.NextAt > now).Select(l => l.NextAt - now).DefaultIfEmpty(LookInterval).Min();
        return next < LookInterval ? next : LookInterval;
    }

    private async Task DeliverAsync(Delivery delivery, DateTimeOffset until)
    {
        try
        {
            if (await TryAsync(delivery, until) is not { } result)
            {
                // It is due again when its time is over.
                return;
            }

            await steps.ReachedAsync(QueueStep.Sent);
            var now = time.GetUtcNow();
            var verdict = DeliveryRule.Judge(delivery.Attempts, result, now, random.DrawFraction());
            metrics.Ended(verdict);
            await StoreAsync(delivery, verdict, now);
        }
        finally
        {
            _underWay.TryRemove((delivery.Number, delivery.Attempts), out _);
            _work.Signal();
        }
    }

    /// <summary>Null: nothing came of it before the server stops, or before its time is over.</summary>
    private async Task<DeliveryResult?> TryAsync(Delivery delivery, DateTimeOffset until)
    {
        while (true)
        {
            try
            {
                return await attempts.RunAsync(delivery, _stopping.Token);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return null;
            }
            catch (StoreUnavailableException e)
            {
                // Says nothing of the destination, whose schedule has long pauses: the same attempt goes on when the store is back.
                LogStoreFailed(e);
            }
            catch (Exception e)
            {
                // The top of its own task: whatever it was, it is an attempt.
                LogAttemptFailed(delivery.Id, e);
                return new DeliveryResult.Unanswered("the server failed while it sent it");
            }

            if (!await PauseAsync() || time.GetUtcNow() >= until)
            {
                return null;
            }
        }
    }

    private async Task StoreAsync(Delivery delivery, DeliveryVerdict verdict, DateTimeOffset now)
    {
        while (true)
        {
            try
            {
                await store.EndAsync(delivery, verdict, now, CancellationToken.None);
                if (verdict is DeliveryVerdict.Dead dead)
                {
                    LogDead(delivery.Id, delivery.To, dead.Reason);
                }

                return;
            }
            catch (Exception e) when (e is not ObjectDisposedException)
            {
                LogStoreFailed(e);
                if (!await PauseAsync())
                {
                    return;
                }
            }
        }
    }

    /// <summary>Until the store may be back. False: the server stops.</summary>
    private async Task<bool> PauseAsync()
    {
        try
        {
            await Task.Delay(StoreAgainAfter, time, _stopping.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    [LoggerMessage(EventId = 6101, EventName = "DeliveryStoreFailed", Level = LogLevel.Error,
        Message = "The store of deliveries does not answer; nothing is sent to destinations until it does, and nothing of it is lost. Is the disk full?")]
    private partial void LogStoreFailed(Exception fault);

    [LoggerMessage(EventId = 6102, EventName = "DeliveryAttemptFailed", Level = LogLevel.Error, Message = "An attempt of delivery {Delivery} failed in the server")]
    private partial void LogAttemptFailed(string delivery, Exception fault);

    [LoggerMessage(EventId = 6103, EventName = "DeliveryDead", Level = LogLevel.Warning,
        Message = "Delivery {Delivery} to {Destination} is dead and not tried any more: {Reason}. 'dormouse delivery redrive' sends it again")]
    private partial void LogDead(string delivery, string destination, string reason);

    private sealed class UnderWay(DeliveryLane lane)
    {
        public DeliveryLane Lane => lane;

        public Task Task { get; set; } = Task.CompletedTask;
    }
}
