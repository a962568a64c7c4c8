using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Rollouts;
using Dormouse.Core.Scaling;
using Dormouse.Server.Floors;
using Dormouse.Server.Usage;

namespace Dormouse.Server.Dispatch;

/// <summary>
/// Drives the engines: one per active revision, each behind one short lock; carries out their effects; feeds them the driver's events.
/// It decides nothing. Revisions that have no instance, queue or run cost nothing: their engine is dropped.
/// </summary>
internal sealed class DispatchService(InstanceStarter starter, DispatchMachine machine, ScalingLog scaling, DispatchEvents events, ProvisionedAccounts provisioned, FloorClock floors) : IInstanceObserver
{
    /// <summary>Deleted endpoints remembered, so that a request that resolved its route just before does not start it again.</summary>
    private const int RemovedMax = 1024;

    private readonly ConcurrentDictionary<RevisionId, RevisionDriver> _drivers = new();
    private readonly Lock _creating = new();
    private readonly HashSet<EndpointId> _removed = [];
    private readonly Queue<EndpointId> _removedOrder = new();
    private readonly RevisionHistory _history = new();
    private long _nextInstanceNumber = 1;
    private volatile bool _isStopping;

    /// <summary>A model was loaded by an instance whose revision had no interface stored, or without its optimised file.</summary>
    public event Action<Revision, InstanceReady>? Loaded;

    /// <summary>Why instances ended.</summary>
    public InstanceEnds Ends { get; } = new(machine.Clock.Time);

    /// <summary>
    /// Waits for a slot. The waiting caller's place is freed when <paramref name="cancellationToken"/> fires.
    /// </summary>
    public ValueTask<SlotResult> AcquireAsync(Revision revision, SlotRequest request, CancellationToken cancellationToken)
    {
        while (true)
        {
            var driver = _drivers.GetValueOrDefault(revision.Id) ?? Create(revision);
            if (driver is null)
            {
                var detail = _isStopping ? "The server is stopping." : "The endpoint was deleted.";
                return new(new SlotResult.Refused(new SlotRefusal(0, RefusalKind.Retired, detail, TimeSpan.Zero, null)));
            }

            if (driver.TryAcquire(request, cancellationToken, out var result))
            {
                return result;
            }

            // It was dropped between the look-up and now; whoever dropped it may not have come to forgetting it.
            Forget(driver);
        }
    }

    /// <summary>Gives the slot back when the run ended; returns the metered share in µs.</summary>
    public long Release(in SlotLease lease, SlotEnd end) =>
        _drivers.TryGetValue(lease.Instance.Revision, out var driver) ? driver.Release(lease, end) : 0;

    /// <summary>An answer that was still to be read when its slot was given back (<see cref="SlotEnd.Answering"/>) has left its instance.</summary>
    public void AnswerLeft(InstanceId instance) => _drivers.GetValueOrDefault(instance.Revision)?.Apply(RevisionEvent.AnswerLeft(instance));

    /// <summary>Control plane: these revisions carry the endpoint's traffic from now on; others drain. Also after start-up for endpoints that keep instances.</summary>
    /// <param name="standby">Revisions without traffic of which a handover keeps instances.</param>
    /// <param name="isStart">The server starts: no revision is new.</param>
    public void TrafficChanged(Endpoint endpoint, ImmutableArray<Revision> carrying, ImmutableArray<Revision> standby, bool isStart = false)
    {
        foreach (var driver in DriversOf(endpoint.Id))
        {
            var carries = !endpoint.IsUnloaded && carrying.Any(r => r.Id == driver.Revision.Id);
            driver.Apply(carries ? RevisionEvent.Of(RevisionEventKind.Resume)
                : endpoint.IsUnloaded ? RevisionEvent.Drain(DrainReason.Unloaded)
                : RevisionEvent.Drain(DrainReason.NoTraffic, StandbyOf(endpoint, driver.Revision)));
        }

        floors.Follow(endpoint.Id, endpoint.IsUnloaded ? [] : carrying);
        if (endpoint.IsUnloaded)
        {
            return;
        }

        foreach (var revision in standby.Where(r => StandbyOf(endpoint, r).Instances > 0))
        {
            starter.Prefetch(revision);
            Tell(revision, RevisionEvent.Drain(DrainReason.NoTraffic, StandbyOf(endpoint, revision)), isToStart: true);
        }

        foreach (var revision in carrying)
        {
            if (revision.Spec.InitialInstances > 0 && !isStart && !HasRun(revision))
            {
                Tell(revision, RevisionEvent.Of(RevisionEventKind.Begin), isToStart: true);
            }

            starter.Prefetch(revision);
            if (revision.Spec is { MinInstances: > 0 } or { Provisioned: > 0 })
            {
                (_drivers.GetValueOrDefault(revision.Id) ?? Create(revision))?.Apply(RevisionEvent.Of(RevisionEventKind.Woken));
            }
        }
    }

    /// <summary>A schedule asks for another number of instances of a revision that carries traffic.</summary>
    public void FloorChanged(Revision revision, InstanceFloor floor) =>
        // An engine that is made now knows it already, and one that is dropped meanwhile is made anew only when something is to be kept.
        Tell(revision, RevisionEvent.FloorChanged(floor), isToStart: floor.Instances > 0);

    /// <summary>
    /// Drains the endpoint to zero and waits until nothing of it is left; the next invocation starts it again. While calls go on coming only the instances that
    /// were there are waited for.
    /// </summary>
    public Task StopAsync(EndpointId endpoint, CancellationToken cancellationToken) =>
        Task.WhenAll(DriversOf(endpoint).Select(d => d.StopAsync()).ToList()).WaitAsync(cancellationToken);

    /// <summary>The endpoint is deleted: refuses what waits, finishes what runs, stops all, then forgets it.</summary>
    public async Task RemoveAsync(EndpointId endpoint, CancellationToken cancellationToken)
    {
        lock (_creating)
        {
            if (_removed.Add(endpoint))
            {
                _removedOrder.Enqueue(endpoint);
                if (_removedOrder.Count > RemovedMax)
                {
                    _removed.Remove(_removedOrder.Dequeue());
                }
            }
        }

        floors.Forget(endpoint);
        var drivers = DriversOf(endpoint).ToList();
        foreach (var driver in drivers)
        {
            driver.Apply(RevisionEvent.Of(RevisionEventKind.Retire));
        }

        await Task.WhenAll(drivers.Select(d => d.Dropped)).WaitAsync(cancellationToken);
        starter.Instances.Forget(endpoint);
        scaling.Forget(endpoint);
        lock (_creating)
        {
            _history.Forget(endpoint);
        }
    }

    /// <summary>The server stops: nothing new is taken, what waits is refused, what runs is finished. Idempotent.</summary>
    public void BeginShutdown()
    {
        lock (_creating)
        {
            _isStopping = true;
        }

        foreach (var driver in _drivers.Values)
        {
            driver.Apply(RevisionEvent.Of(RevisionEventKind.Retire));
        }
    }

    /// <summary>Something runs or waits now.</summary>
    public bool IsBusy => _drivers.Values.Any(d => d.Sample() is { Running: > 0 } or { Queued: > 0 });

    /// <summary>Instances of every active revision by state, for those who count them now and then.</summary>
    public IEnumerable<(Revision Revision, InstanceState State, int Count)> CountInstances() =>
        from driver in _drivers.Values
        let sample = driver.Sample()
        where sample is not null
        from state in sample.Instances.GroupBy(i => i.State)
        select (driver.Revision, state.Key, state.Count());

    /// <summary>Found limits of runs at once of every active revision, for those who look at them now and then.</summary>
    public IEnumerable<(Revision Revision, int Limit)> ConcurrencyLimits() =>
        from driver in _drivers.Values
        let state = driver.Sample()?.Concurrency
        where state is not null
        select (driver.Revision, state.Value.Limit);

    /// <summary>Revisions of the endpoint that have an engine now.</summary>
    public ImmutableArray<(RevisionId Revision, RevisionSample Sample)> Samples(EndpointId endpoint)
    {
        var samples = ImmutableArray.CreateBuilder<(RevisionId, RevisionSample)>();
        foreach (var driver in DriversOf(endpoint))
        {
            if (driver.Sample() is { } sample)
            {
                samples.Add((driver.Revision.Id, sample));
            }
        }

        samples.Sort((a, b) => a.Item1.Number.CompareTo(b.Item1.Number));
        return samples.ToImmutable();
    }

    /// <summary>The last changes of the instance count, newest first, with wall time.</summary>
    public ImmutableArray<(DateTimeOffset At, ScalingChange Change)> Changes(EndpointId endpoint) => scaling.Read(endpoint);

    /// <summary>Wall time of a point on the clock that samples use.</summary>
    public DateTimeOffset WallTime(Core.MonotonicTime time) => machine.Clock.Time.GetUtcNow() - (machine.Clock.Now - time);

    /// <summary>What the machine's budget wants of revisions.</summary>
    public void MachineOpened(Aftermath aftermath) => new MachineOrders(_drivers, starter, machine.Budget.Limits).CarryOut(aftermath, this);

    /// <summary>False when the instance is gone, before anybody hears of it, or was never here.</summary>
    public bool IsThere(InstanceId instance) => _drivers.TryGetValue(instance.Revision, out var driver) && driver.Look(instance).IsThere;

    void IInstanceObserver.Ready(InstanceId instance, InstanceReady ready)
    {
        if (!_drivers.TryGetValue(instance.Revision, out var driver) || !driver.Report(instance, RevisionEvent.InstanceReady(instance, ready)))
        {
            return;
        }

        lock (_creating)
        {
            _history.BecameReady(instance.Revision);
        }

        events.RaiseReady(driver.Revision, instance, ready);
        if (ready.Rung != Rung.Thaw && (driver.Revision.Interface is null || !ready.UsedOptimised))
        {
            Loaded?.Invoke(driver.Revision, ready);
        }
    }

    void IInstanceObserver.Failed(InstanceId instance, StartFailure failure)
    {
        if (_drivers.TryGetValue(instance.Revision, out var driver) && driver.Report(instance, RevisionEvent.InstanceFailed(instance, failure)))
        {
            events.RaiseFailed(driver.Revision, instance, failure);
        }
    }

    void IInstanceObserver.Lost(InstanceId instance, InstanceLoss loss)
    {
        // Before those who wait to know why: they tell the engine of a broken connection, and an instance that drains for that is not missed again.
        if (_drivers.TryGetValue(instance.Revision, out var driver) && driver.Report(instance, RevisionEvent.InstanceLost(instance, loss)))
        {
            NoteEnd(instance, StartCause.Crash);
            events.RaiseLost(driver.Revision, instance, loss);
        }

        Ends.Report(instance, new InstanceEnd(loss, null));
    }

    void IInstanceObserver.Gone(InstanceId instance)
    {
        _drivers.GetValueOrDefault(instance.Revision)?.Gone(instance);
        events.RaiseGone(instance);
    }

    void IInstanceObserver.FreezeRefused(InstanceId instance, string reason) => _drivers.GetValueOrDefault(instance.Revision)?.Apply(RevisionEvent.FreezeRefused(instance));
    void IInstanceObserver.Wrote(InstanceId instance, string line) => events.RaiseWrote(instance, line);

    private bool HasRun(Revision revision)
    {
        lock (_creating)
        {
            return _history.Recall(revision.Id).Next is not (StartCause.First or StartCause.Rollout);
        }
    }

    private static Standby StandbyOf(Endpoint endpoint, Revision revision) =>
        endpoint.Handover is { } handover ? new Standby(handover.StandbyOf(revision.Id.Number), handover.State == HandoverState.Warming) : default;

    /// <param name="isToStart">The event starts instances: an engine is made for it when there is none.</param>
    private void Tell(Revision revision, in RevisionEvent @event, bool isToStart)
    {
        while ((_drivers.GetValueOrDefault(revision.Id) ?? (isToStart ? Create(revision) : null)) is { } driver)
        {
            if (driver.Apply(@event))
            {
                return;
            }

            Forget(driver);
        }
    }

    private IEnumerable<RevisionDriver> DriversOf(EndpointId endpoint) => _drivers.Values.Where(d => d.Revision.Id.Endpoint == endpoint);

    private RevisionDriver? Create(Revision revision)
    {
        lock (_creating)
        {
            if (_isStopping || _removed.Contains(revision.Id.Endpoint))
            {
                return null;
            }

            if (!_drivers.TryGetValue(revision.Id, out var driver))
            {
                var past = _history.Recall(revision.Id);
                var engine = new RevisionEngine(revision.Id, revision.Spec, _nextInstanceNumber, past.Next, past.Learned, revision.Id.GetHashCode() + _nextInstanceNumber)
                {
                    Idle = past.Idle ?? new IdleMemory(),
                    Floor = floors.Now(revision),
                };
                driver = new RevisionDriver(revision, engine, machine, CarryOut);
                _drivers[revision.Id] = driver;
                provisioned.Open(driver);
            }

            return driver;
        }
    }

    private void CarryOut(RevisionDriver driver, Aftermath aftermath)
    {
        FreezerOrders.CarryOut(starter.Instances, aftermath);
        foreach (var change in aftermath.Changes)
        {
            scaling.Add(driver.Revision.Id.Endpoint, change);
            events.RaiseChanged(driver.Revision, change);
        }

        foreach (var start in aftermath.Starts)
        {
            events.RaiseStartDecided(driver.Revision, start);
        }

        foreach (var stop in aftermath.Stops)
        {
            NoteEnd(stop.Instance, RevisionHistory.CauseAfter(stop.Reason));
            events.RaiseStopDecided(driver.Revision, stop);
        }

        foreach (var stop in aftermath.DriverStops)
        {
            // A suspect is stopped because its connection broke: that says nothing of why, the loss that follows does.
            if (stop.Reason != StopReason.Suspect)
            {
                Ends.Report(stop.Instance, new InstanceEnd(null, stop.Reason));
            }

            starter.Instances.Stop(stop.Instance, stop.Reason);
        }

        foreach (var instance in aftermath.NeverStarted)
        {
            driver.Gone(instance);
        }

        MachineOpened(aftermath);
        if (aftermath.Prefetch is { } why)
        {
            events.RaisePrefetchWanted(driver.Revision, why);
        }

        if (aftermath.IsDropped)
        {
            Forget(driver);
        }
    }

    private void NoteEnd(InstanceId instance, StartCause cause)
    {
        lock (_creating)
        {
            _history.Ended(instance.Revision, cause);
        }
    }

    private void Forget(RevisionDriver driver)
    {
        lock (_creating)
        {
            if (_drivers.TryRemove(KeyValuePair.Create(driver.Revision.Id, driver)))
            {
                _nextInstanceNumber = Math.Max(_nextInstanceNumber, driver.Legacy.NextInstanceNumber);
                _history.Keep(driver.Revision.Id, driver.Legacy.Learned, driver.Legacy.Idle);
            }
        }

        provisioned.Close(driver);
        driver.SignalDropped();
    }
}
