using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Simulation.Tests.Queues;

/// <summary>One server's queue loop as the product drives it: takes over, leases, runs, holds, stores. It crashes, stands still, and its clock jumps.</summary>
internal sealed class QueueServer(QueueWorld world, int number, Guid owner)
{
    private const int InFlightMax = 8;

    private const int PerEndpointMax = 3;

    private static readonly TimeSpan HoldInterval = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(5);

    private readonly Dictionary<InvocationId, QueueItem> _inFlight = [];

    /// <summary>Of endpoints with a rate: what may be taken, and when that was so by the time that no clock changes.</summary>
    private readonly Dictionary<EndpointId, (AsyncAllowance Allowance, TimeSpan At)> _rates = [];
    private readonly HashSet<EndpointId> _rateWaits = [];
    private TimeSpan _offset;
    private TimeSpan _frozenUntil;
    private int _life;
    private bool _isUp;
    private bool _isMine;
    private int _turn;

    public DateTimeOffset Clock => QueueWorld.Base + world.Now + _offset;

    public bool Answers => _isUp && world.Now >= _frozenUntil;

    private TimeSpan LeaseTime => world.Distortion == QueueDistortion.ShortLeases ? TimeSpan.FromSeconds(1) : TimeSpan.FromSeconds(60);

    public void Start()
    {
        (_isUp, _isMine) = (true, false);
        After(TimeSpan.Zero, LoopAsync);
        After(HoldInterval, HoldAsync);
    }

    /// <summary>There may be work.</summary>
    public void Look()
    {
        if (_isUp)
        {
            After(TimeSpan.Zero, PassAsync);
        }
    }

    /// <summary>The lease of an item that it could run as soon as it is accepted; null = that waits for its turn.</summary>
    public LeaseAtOnce? AtOnce(QueueItem item) =>
        _isMine && world.RateOf(item.Endpoint) is null && item is { Group: null, AttemptsMax: > 1 } && item.NotBefore <= item.AcceptedAt && _inFlight.Count < InFlightMax && _inFlight.Values.Count(i => i.Endpoint == item.Endpoint) < PerEndpointMax
            ? new LeaseAtOnce(owner, Clock + LeaseTime)
            : null;

    /// <summary>It was taken as it was accepted.</summary>
    public void TookAtOnce(QueueItem item)
    {
        world.Book.Leased(item, number, Clock);
        Begin(item);
    }

    public void JumpClock(TimeSpan by) => _offset += by;

    public void Freeze(TimeSpan time) => _frozenUntil = world.Now + time;

    /// <summary>SIGKILL: what it had in memory is gone, and what it had leased is nobody's until its lease ends or it starts again.</summary>
    public void Crash()
    {
        if (!_isUp)
        {
            return;
        }

        world.Crashes++;
        foreach (var id in _inFlight.Keys)
        {
            world.Book.Stopped(id, number);
            if (world.Distortion == QueueDistortion.LosesLeased)
            {
                world.Store.Remove(id);
            }
        }

        _inFlight.Clear();
        _rates.Clear();
        _rateWaits.Clear();
        world.Book.Restarted(number);
        (_isUp, _life) = (false, _life + 1);
        world.After(TimeSpan.FromSeconds(world.Unit() * (world.Unit() < 0.3 ? 200 : 5)), () =>
        {
            Start();
            return Task.CompletedTask;
        });
    }

    /// <summary>What it does later it does in this life only, and not while it stands still.</summary>
    private void After(TimeSpan delay, Func<Task> act)
    {
        var life = _life;
        world.After(delay, async () =>
        {
            if (life != _life)
            {
                return;
            }

            if (world.Now < _frozenUntil)
            {
                After(_frozenUntil - world.Now, act);
                return;
            }

            await act();
        });
    }

    private async Task LoopAsync()
    {
        // First, so that a crash in this pass ends the loop as well.
        After(LookInterval, LoopAsync);
        await PassAsync();
    }

    private async Task PassAsync()
    {
        try
        {
            if (!_isMine)
            {
                await world.Store.ReclaimAsync(owner, Clock, CancellationToken.None);
                _isMine = true;
            }

            await world.Store.ExpireAsync(world.Distortion == QueueDistortion.RunsLate ? Clock.AddDays(-1) : Clock, 500, CancellationToken.None);
            await world.Store.TakeOverAsync(owner, Clock, Clock, CancellationToken.None);
            await TakeAsync();
        }
        catch (IOException)
        {
            // The store is away; the next look finds it back.
        }
    }

    private async Task TakeAsync()
    {
        var depths = (await world.Store.DepthsAsync(Clock, CancellationToken.None)).Where(d => d.Queued > 0).ToList();
        var first = depths.Count == 0 ? 0 : _turn++ % depths.Count;
        var demands = depths.Skip(first).Concat(depths.Take(first))
            .Select(d => new LeaseDemand(d.Endpoint, d.Queued, _inFlight.Values.Count(i => i.Endpoint == d.Endpoint), PerEndpointMax, Allowed(d.Endpoint)))
            .ToList();
        WaitForRates(demands);
        var wishes = LeaseShares.Divide(InFlightMax - _inFlight.Count, demands);
        if (wishes.IsEmpty)
        {
            return;
        }

        var now = world.Distortion == QueueDistortion.RunsLate ? Clock.AddSeconds(-1_000) : Clock;
        var leased = await world.Store.LeaseAsync(owner, wishes, now, Clock + LeaseTime, CancellationToken.None);
        foreach (var item in leased.Items)
        {
            world.Book.Leased(item.Item, number, Clock);
            Took(item.Item.Endpoint);
        }

        if (!leased.Items.IsEmpty && world.Fault(world.Plan.ServerCrash))
        {
            Crash();
            return;
        }

        foreach (var item in leased.Items)
        {
            Begin(item.Item);
        }
    }

    /// <summary>How many of the endpoint its rate allows now.</summary>
    private int Allowed(EndpointId endpoint)
    {
        if (world.RateOf(endpoint) is not { } rate)
        {
            return int.MaxValue;
        }

        var allowance = _rates.TryGetValue(endpoint, out var known) ? known.Allowance.After(world.Now - known.At, rate) : AsyncAllowance.Full(rate);
        _rates[endpoint] = (allowance, world.Now);
        return allowance.Whole;
    }

    private void Took(EndpointId endpoint)
    {
        if (world.RateOf(endpoint) is not { } rate)
        {
            return;
        }

        world.Book.Rated(endpoint, number, rate, world.Now);
        if (world.Distortion != QueueDistortion.IgnoresRate)
        {
            _rates[endpoint] = (_rates[endpoint].Allowance.Less(1), _rates[endpoint].At);
        }
    }

    /// <summary>Looks again when a rate that allows none now allows one.</summary>
    private void WaitForRates(IReadOnlyList<LeaseDemand> demands)
    {
        foreach (var demand in demands.Where(d => d.Allowed == 0 && _rateWaits.Add(d.Endpoint)))
        {
            // Not less than time moves in: what is missing may be less than a tick's worth.
            After(_rates[demand.Endpoint].Allowance.Wait(world.RateOf(demand.Endpoint) ?? 1) + TimeSpan.FromMilliseconds(1), () => TakeAgainAsync(demand.Endpoint));
        }
    }

    private async Task TakeAgainAsync(EndpointId endpoint)
    {
        _rateWaits.Remove(endpoint);
        try
        {
            await TakeAsync();
        }
        catch (IOException)
        {
            // The store is away; the next look finds it back.
        }
    }

    /// <summary>It may have had the item in an earlier lease that it lost and has not noticed: both runs go on.</summary>
    private void Begin(QueueItem item)
    {
        _inFlight[item.Id] = item;
        var isRun = !world.Fault(world.Plan.NoSlot);
        if (isRun)
        {
            world.Book.Began(item, number);
        }

        After(TimeSpan.FromSeconds(world.Unit() * (world.Unit() < 0.1 ? 150 : 3)), () => RunEndedAsync(item, isRun));
    }

    private async Task RunEndedAsync(QueueItem item, bool isRun)
    {
        if (isRun)
        {
            world.Book.Stopped(item.Id, number);
        }

        if (world.Fault(world.Plan.ServerCrash))
        {
            Crash();
            return;
        }

        var now = Clock;
        await StoreAsync(item, AttemptRule.Judge(item, Result(item, isRun), now, world.Unit()), now);
    }

    private AttemptResult Result(QueueItem item, bool isRun)
    {
        var body = BitConverter.GetBytes(item.Fence);
        if (!isRun)
        {
            return new AttemptResult.Unanswered(new StoredAnswer(503, [], body), IsRetryable: true, HasBegun: false, null, "queue_timeout");
        }

        if (world.Fault(world.Plan.WorkerCrash))
        {
            return new AttemptResult.Unanswered(new StoredAnswer(502, [], body), IsRetryable: true, HasBegun: true, null, "worker_crashed");
        }

        return new AttemptResult.Answered(new StoredAnswer(world.Fault(world.Plan.BadAnswer) ? world.Unit() < 0.5 ? 400 : 500 : 200, [], body));
    }

    /// <summary>Until it is stored. Sometimes it was, and the server did not hear of it.</summary>
    private async Task StoreAsync(QueueItem item, QueueVerdict verdict, DateTimeOffset now)
    {
        bool isTaken;
        try
        {
            isTaken = await world.Store.EndAsync(item.Lease, verdict, null, now, CancellationToken.None);
            if (!isTaken && world.Distortion == QueueDistortion.IgnoresFence && world.Store.Find(item.Id) is { Item: { State: QueueState.Leased } other })
            {
                isTaken = await world.Store.EndAsync(other.Lease, verdict, null, now, CancellationToken.None);
            }
        }
        catch (IOException)
        {
            After(TimeSpan.FromSeconds(1), () => StoreAsync(item, verdict, now));
            return;
        }

        world.Book.Ended(item.Lease, verdict, isTaken);
        if (world.Fault(world.Plan.CommitUnknown))
        {
            After(TimeSpan.FromSeconds(1), () => StoreAsync(item, verdict, now));
            return;
        }

        if (world.Fault(world.Plan.ServerCrash))
        {
            Crash();
            return;
        }

        if (_inFlight.TryGetValue(item.Id, out var current) && current.Fence == item.Fence)
        {
            _inFlight.Remove(item.Id);
        }

        world.Work();
    }

    private async Task HoldAsync()
    {
        After(HoldInterval, HoldAsync);
        if (_inFlight.Count == 0)
        {
            return;
        }

        try
        {
            await world.Store.ExtendAsync([.. _inFlight.Values.Select(i => i.Lease)], Clock + LeaseTime, CancellationToken.None);
        }
        catch (IOException)
        {
            // Held anew at the next time, when that is soon enough.
        }
    }
}
