using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Telemetry;

namespace Dormouse.Server.Queues;

/// <summary>
/// Takes items that are due from the store, as many as could run, and ends those that nobody may begin any more. What to take is decided in Core. It looks at all endpoints each second while there
/// is work; between, it takes only of those that are known to have some, without a look.
/// </summary>
internal sealed class QueueLoop(
    IQueueStore store, HeldItems held, QueueShortcut shortcut, QueueSignals signals, AsyncLimits limits, StoreHealth health, InvocationParts parts, InvocationRunner runner, QueuesSettings settings,
    QueueMetrics metrics) : IAsyncDisposable
{
    /// <summary>Looks at the queue this often without being told: for what falls due unforeseen, and after a fault of the store.</summary>
    public static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(5);

    /// <summary>The same while something waits or runs.</summary>
    private static readonly TimeSpan BusyLookInterval = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan SweepInterval = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan ExpiryInterval = TimeSpan.FromSeconds(1);

    /// <summary>Most items that one transaction ends or removes.</summary>
    private const int AtOnceMax = 500;

    /// <summary>Endpoints that may have something which can be taken, and at most how much.</summary>
    private readonly Dictionary<EndpointId, Waiting> _waiting = [];

    private readonly CancellationTokenSource _stopping = new();
    private readonly Guid _owner = parts.Server.Id;
    private Task _running = Task.CompletedTask;
    private DateTimeOffset _nextExpiry;
    private DateTimeOffset _nextSweep;
    private DateTimeOffset _nextLook;
    private uint _turn;

    public void Start()
    {
        _running = RunAsync(_stopping.Token);
        held.Start();
    }

    /// <summary>Items of an endpoint that this server has taken.</summary>
    public int Running(EndpointId endpoint) => held.Counts.Of(endpoint).All;

    /// <summary>The item was cancelled: what waits of it gives up, what runs is not kept.</summary>
    public void Cancelled(InvocationId item)
    {
        held.Cancel(item);
        signals.Ended(item, null);
        signals.Work();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
        }

        await _running;
        await held.DisposeAsync();
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

                var failures = health.Failures;
                pause = await PassAsync(cancellationToken);
                health.Succeeded(failures);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                // The top of the loop: the store may be back a little later. What it had told is asked for again.
                shortcut.IsOpen = false;
                _nextLook = default;
                health.Failed(e);
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
        if (runner.IsStopping)
        {
            shortcut.IsOpen = false;
            await EndLateAsync(now, cancellationToken);
            await SweepAsync(now, cancellationToken);
            return LookInterval;
        }

        await held.GiveBackAsync(cancellationToken);
        // First, so that what another server left is seen by this look and not by the next.
        await EndLateAsync(now, cancellationToken);
        var (isAnywhere, noted) = signals.Take();
        noted.ForEach(n => _waiting[n.Endpoint] = new Waiting(n.Tenant, long.MaxValue));
        if (isAnywhere || now >= _nextLook)
        {
            await LookAsync(now, cancellationToken);
        }

        await TakeAsync(now, cancellationToken);
        shortcut.IsOpen = _waiting.Count == 0;
        await SweepAsync(now, cancellationToken);
        return Sooner(_nextLook - now, limits.Wait(_waiting.Select(w => (w.Value.Tenant, w.Key))));
    }

    /// <summary>Sees what waits, of whatever endpoint.</summary>
    private async Task LookAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var all = await store.DepthsAsync(now, cancellationToken);
        metrics.Saw(all);
        _waiting.Clear();
        foreach (var depth in all.Where(d => d.Queued > 0))
        {
            if (parts.Routes.NameOf(depth.Endpoint) is null)
            {
                await EndAllAsync(() => store.CancelAllAsync(depth.Endpoint, "its endpoint was deleted", now, AtOnceMax, cancellationToken));
            }
            else
            {
                _waiting[depth.Endpoint] = new Waiting(depth.Tenant, depth.Queued);
            }
        }

        _nextLook = now + (_waiting.Count > 0 || held.Counts.All.All > 0 ? BusyLookInterval : LookInterval);
    }

    /// <summary>Takes what could run of what may wait.</summary>
    private async Task TakeAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (_waiting.Count == 0)
        {
            return;
        }

        var counts = held.Counts.All;
        var room = Math.Max(0, Math.Min(settings.InFlight - counts.Running, (2 * settings.InFlight) - counts.All));
        var wishes = LeaseShares.Divide(room, [.. InTurn().Select(w => limits.Demand(w.Value.Tenant, w.Key, w.Value.Queued, held.Counts.Of(w.Key)))]);
        if (wishes.IsEmpty)
        {
            return;
        }

        var taken = await store.LeaseAsync(_owner, wishes, now, now + HeldItems.LeaseTime, cancellationToken);
        if (!taken.Items.IsEmpty)
        {
            await parts.Steps.ReachedAsync(QueueStep.Leased);
        }

        foreach (var item in taken.Items)
        {
            held.Begin(item, isCounted: false);
            limits.Taken(item.Item.Endpoint);
        }

        if (taken.NextDue < _nextLook)
        {
            _nextLook = taken.NextDue.Value;
        }

        var hasLess = false;
        foreach (var wish in wishes)
        {
            var count = taken.Items.Count(i => i.Item.Endpoint == wish.Endpoint);
            var left = _waiting[wish.Endpoint].Queued - count;
            if (count < wish.Count || left == 0)
            {
                _waiting.Remove(wish.Endpoint);
                hasLess |= count < wish.Count;
            }
            else
            {
                _waiting[wish.Endpoint] = _waiting[wish.Endpoint] with { Queued = left };
            }
        }

        if (hasLess && _waiting.Count > 0)
        {
            // There was room for others.
            signals.Freed();
        }
    }

    private static TimeSpan Sooner(TimeSpan look, TimeSpan? wait)
    {
        var pause = wait < look ? wait.Value : look;
        return pause > LookInterval ? LookInterval : pause < TimeSpan.Zero ? TimeSpan.Zero : pause;
    }

    /// <summary>Ends what nobody may begin any more, and frees what nobody holds any more.</summary>
    private async Task EndLateAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (now < _nextExpiry)
        {
            return;
        }

        await EndAllAsync(() => store.ExpireAsync(now, AtOnceMax, cancellationToken));
        if (store.IsShared)
        {
            // Of servers that ended, or that have not held their leases for another reason.
            Ended(await store.TakeOverAsync(_owner, now, now, cancellationToken));
        }

        _nextExpiry = now + ExpiryInterval;
    }

    /// <summary>Removes what was kept long enough.</summary>
    private async Task SweepAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
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
    private IEnumerable<KeyValuePair<EndpointId, Waiting>> InTurn()
    {
        var first = (int)(_turn++ % (uint)_waiting.Count);
        return _waiting.Skip(first).Concat(_waiting.Take(first));
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
            signals.Ended(item, null);
        }
    }

    /// <param name="Queued">At most so many.</param>
    private readonly record struct Waiting(TenantId Tenant, long Queued);
}
