using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Simulation.Promises;
using Dormouse.Simulation.Randomness;
using Dormouse.Storage.Tests.Queues;

namespace Dormouse.Simulation.Tests.Queues;

/// <summary>
/// Callers, servers and one store on virtual time, each server with a clock of its own. What is decided is decided by the product's own functions (<see cref="QueueItem"/>,
/// <see cref="AttemptRule"/>, <see cref="LeaseShares"/>); the store is the model that the suites compare both databases with. Everything follows from the seed.
/// </summary>
internal sealed class QueueWorld
{
    public static readonly DateTimeOffset Base = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Longer than every pause, lease and time to live.</summary>
    private static readonly TimeSpan Afterwards = TimeSpan.FromHours(4);

    private const int EventsMax = 300_000;

    private readonly PriorityQueue<Func<Task>, (TimeSpan At, long Sequence)> _due = new();
    private readonly QueueServer[] _servers;
    private readonly EndpointId[] _endpoints;
    private readonly ulong _seed;
    private SeededRandom _random;
    private long _sequence;
    private long _ids;

    public QueueWorld(ulong seed, QueueDistortion distortion = QueueDistortion.None)
    {
        (_seed, Plan, Distortion, _random) = (seed, QueuePlan.Of(seed), distortion, SeededRandom.For(seed, 6_001));
        Store = new InMemoryQueue { IsShared = true };
        Book = new QueueBook(Store, Plan.IsCalm);
        _endpoints = [.. Enumerable.Range(1, Plan.Endpoints).Select(i => new EndpointId(NumberedId(i)))];
        _servers = [.. Enumerable.Range(0, Plan.Servers).Select(i => new QueueServer(this, i, NumberedId(100 + i)))];
    }

    public QueuePlan Plan { get; }

    public QueueDistortion Distortion { get; }

    public InMemoryQueue Store { get; }

    public QueueBook Book { get; }

    public TimeSpan Now { get; private set; }

    public int Events { get; private set; }

    public int Crashes { get; set; }

    public bool HasFaults => Now < Plan.Duration;

    /// <summary>Runs until everything has ended, and checks every promise on the way.</summary>
    /// <exception cref="BrokenPromiseException">A promise was broken; the message names the seed.</exception>
    public async Task RunAsync()
    {
        try
        {
            foreach (var server in _servers)
            {
                server.Start();
            }

            for (var i = 0; i < Plan.Items; i++)
            {
                var message = new Message(this, i);
                After(Plan.Duration * _random.Unit(), message.SendAsync);
            }

            Every(Plan.ClockJumpEvery, () => Any().JumpClock(TimeSpan.FromSeconds((_random.Unit() - 0.5) * (_random.Happens(0.5) ? 20 : 1_200))));
            Every(Plan.FreezeEvery, () => Any().Freeze(TimeSpan.FromSeconds(_random.Unit() * 180)));
            Every(Plan.StoreAwayEvery, () =>
            {
                Store.Fault = new IOException("away");
                After(TimeSpan.FromSeconds(_random.Unit() * 90), () => Done(() => Store.Fault = null));
            });
            EveryAsync(Plan.UserEvery, ActAsync);
            await StepsAsync();
            Book.CheckRest();
        }
        catch (BrokenPromiseException e)
        {
            throw new BrokenPromiseException($"Seed {_seed}, after {Now}: {e.Message}");
        }
    }

    public double Unit() => _random.Unit();

    /// <summary>A chance that is none once faults are over, so that the world comes to rest.</summary>
    public bool Fault(double share) => HasFaults && _random.Happens(share);

    public void After(TimeSpan delay, Func<Task> act) => _due.Enqueue(act, (Now + delay, ++_sequence));

    /// <summary>Tells the servers that there may be work.</summary>
    public void Work()
    {
        foreach (var server in _servers)
        {
            server.Look();
        }
    }

    /// <summary>Items a second that one server may take of it; null = any.</summary>
    public double? RateOf(EndpointId endpoint) => Array.IndexOf(_endpoints, endpoint) % 2 == 0 ? Plan.Rate : null;

    public EndpointId EndpointOf(int number) => _endpoints[number % _endpoints.Length];

    public IReadOnlyList<EndpointId> Endpoints => _endpoints;

    public QueueServer Any() => _servers[_random.Below(_servers.Length)];

    public InvocationId NextId() => new(NumberedId(10_000 + (int)++_ids));

    private async Task StepsAsync()
    {
        while (_due.TryDequeue(out var act, out var place))
        {
            Now = place.At;
            if (Now > Plan.Duration + Afterwards)
            {
                return;
            }

            if (!HasFaults)
            {
                Store.Fault = null;
            }

            await act();
            Book.Compare();
            if (++Events > EventsMax)
            {
                throw new BrokenPromiseException($"after {EventsMax} events the world has not come to rest");
            }

            if (!HasFaults && Book.Told == Plan.Items && Store.Everything.All(e => !e.Item.State.IsLive()))
            {
                return;
            }
        }
    }

    /// <summary>Somebody cancels an item, changes one, or runs one anew.</summary>
    private async Task ActAsync()
    {
        var all = Store.Everything.ToList();
        if (all.Count == 0 || Store.Fault is not null)
        {
            return;
        }

        var (item, _) = all[_random.Below(all.Count)];
        var now = Any().Clock;
        if (_random.Happens(0.4))
        {
            Book.Cancelled(item.Id);
            await Store.CancelAsync(item.Tenant, item.Id, now, CancellationToken.None);
        }
        else if (_random.Happens(0.4))
        {
            await EditAsync(item, now);
        }
        else if (!item.State.IsLive() && item.State != QueueState.Succeeded)
        {
            Book.Redriven(item.Id);
            await Store.RedriveAsync(item.Tenant, item.Id, now, now + TimeSpan.FromMinutes(30), CancellationToken.None);
        }

        Work();
    }

    /// <summary>Only what has ended without success may be changed, and each change is one that can be told from the others.</summary>
    private async Task EditAsync(QueueItem item, DateTimeOffset now)
    {
        var edits = await Store.EditsAsync(item.Tenant, item.Id, CancellationToken.None);
        var edit = QueueBook.Edit(edits.Length + 1);
        if (Distortion == QueueDistortion.EditsLive && item.State.IsLive())
        {
            Store.Change(item.Id, i => i with { Request = i.Request with { Headers = edit.SetHeaders } });
            return;
        }

        var outcome = await Store.EditAsync(item.Tenant, item.Id, edit, "k", now, CancellationToken.None);
        var kept = await Store.EditsAsync(item.Tenant, item.Id, CancellationToken.None);
        var first = await Store.RequestAsync(item.Tenant, item.Id, kept.IsEmpty ? null : 1, CancellationToken.None);
        Book.Edited(item, edits.Length, kept.Length, outcome is EditOutcome.Edited, first!.Request);
    }

    private void Every(TimeSpan mean, Action act) => EveryAsync(mean, () => Done(act));

    private void EveryAsync(TimeSpan mean, Func<Task> act)
    {
        if (mean > TimeSpan.Zero)
        {
            After(mean * _random.Exponential(), async () =>
            {
                if (HasFaults)
                {
                    await act();
                    EveryAsync(mean, act);
                }
            });
        }
    }

    private static Task Done(Action act)
    {
        act();
        return Task.CompletedTask;
    }

    private static Guid NumberedId(int number) => new(number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    /// <summary>Sent until somebody says that it is accepted, and sometimes again though somebody did.</summary>
    private sealed class Message(QueueWorld world, int number)
    {
        private readonly string _key = "m" + number;

        public async Task SendAsync()
        {
            var server = world.Any();
            if (!server.Answers)
            {
                world.After(TimeSpan.FromSeconds(1 + world.Unit()), SendAsync);
                return;
            }

            var draw = SeededRandom.For(world._seed, 7_000 + (ulong)number);
            var group = draw.Happens(0.4) ? "g" + draw.Below(2) : null;
            var delay = draw.Happens(0.2) ? TimeSpan.FromSeconds(draw.Below(60)) : TimeSpan.Zero;
            var item = new QueueItem
            {
                Id = world.NextId(),
                Tenant = TenantId.Default,
                Endpoint = world.EndpointOf(number),
                Request = new QueuedRequest("POST", _key, null, []),
                Priority = (QueuePriority)draw.Below(3),
                Group = world.Distortion == QueueDistortion.ForgetsGroups ? null : group,
                AcceptedAt = server.Clock,
                NotBefore = server.Clock + delay,
                ExpiresAt = server.Clock + delay + TimeSpan.FromSeconds(1 + draw.Below(3_600)),
                AttemptsMax = 1 + draw.Below(6),
            };
            world.Book.Sent(item, group);
            var key = world.Distortion == QueueDistortion.ForgetsKeys ? null : new IdempotencyKey(_key, new byte[] { 1 }, server.Clock + QueueLimits.IdempotencyTime);
            Acceptance acceptance;
            try
            {
                acceptance = await world.Store.AcceptAsync(new NewQueueItem(item, default, key) { AtOnce = server.AtOnce(item) }, 1_000, CancellationToken.None);
            }
            catch (IOException)
            {
                world.After(TimeSpan.FromSeconds(1), SendAsync);
                return;
            }

            if (acceptance is Acceptance.Accepted { Leased: { } leased })
            {
                server.TookAtOnce(leased);
            }

            server.Look();
            if (world.Fault(world.Plan.ServerCrash))
            {
                // It is stored, and nobody is told.
                server.Crash();
                world.After(TimeSpan.FromSeconds(world.Unit() * 5), SendAsync);
                return;
            }

            world.Book.Acknowledged(_key, acceptance is Acceptance.Known known ? known.Item.Id : item.Id);
            if (world.Fault(world.Plan.SentTwice))
            {
                world.After(TimeSpan.FromSeconds(world.Unit() * 120), SendAsync);
            }
        }
    }
}
