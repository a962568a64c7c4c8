using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>
/// A tiny world around one engine on virtual time: callers that come, leave and finish; instances that start, fail, crash, hang and go. It keeps its own plain
/// account of what must be true and compares it with the engine after every event.
/// </summary>
internal sealed class EngineWorld(RevisionSpec spec)
{
    private readonly RevisionEngine _engine = new(EngineHarness.Revision, spec, 1);
    private readonly RevisionEffects _effects = new();
    private readonly List<Caller> _waiting = [];
    private readonly List<Run> _runs = [];
    private readonly List<Instance> _answers = [];
    private readonly Dictionary<InstanceId, Instance> _instances = [];
    private MonotonicTime _now = new(TimeSpan.TicksPerHour);
    private MonotonicTime _wakeAt = MonotonicTime.Never;
    private long _lastTicket;
    private long _events;
    private int _live;
    private bool _isDraining;
    private bool _isStopped;
    private bool _isRetired;
    private bool _isFreezeRefused;

    /// <summary>An instance that is frozen, or is lost while it drains, ends in this event: that changes no number.</summary>
    private bool _isUncountedOver;

    public bool IsEmpty => _engine.IsEmpty;

    public int WaitingCount => _waiting.Count;

    private int Kept => _isRetired ? 0 : _isDraining ? Math.Min(_standby, spec.MaxInstances) : Math.Max(Math.Max(spec.MinInstances, spec.Provisioned), _floor);

    private int _floor;
    private int _standby;

    /// <summary>Provisioned instances since the last event, and their time so far.</summary>
    private int _provisioned;
    private long _provisionedTicks;
    private long _provisionedMicroseconds;

    /// <summary>Lets time pass and wakes the engine whenever it asked for it. Returns how often.</summary>
    public int Pass(TimeSpan span)
    {
        var target = _now + span;
        var wakes = 0;
        while (_wakeAt <= target)
        {
            wakes++;
            Move(_wakeAt);
            Apply(RevisionEvent.Of(RevisionEventKind.Woken));
        }

        Move(target);
        return wakes;
    }

    /// <param name="wishTicks">The caller's own deadline from now; null = none.</param>
    public void Arrive(long deadlineTicks, long bytes, bool isRetry, long? wishTicks = null, QueuePriority priority = QueuePriority.Normal)
    {
        _isDraining &= !_isStopped;
        _isStopped = false;
        var wishes = new CallerWishes(wishTicks is { } ticks ? _now + new TimeSpan(ticks) : MonotonicTime.Never, priority);
        var caller = new Caller(++_lastTicket, _now, _events + 1, _now + new TimeSpan(deadlineTicks), bytes, isRetry, wishes);
        _waiting.Insert(_waiting.Count(w => w.Class <= caller.Class), caller);
        Apply(RevisionEvent.Arrived(caller.Ticket, caller.QueueDeadline, bytes, isRetry, wishes), arrived: caller);
    }

    public void Leave(int pick)
    {
        if (_waiting.Count > 0)
        {
            var caller = _waiting[pick % _waiting.Count];
            _waiting.Remove(caller);
            Apply(RevisionEvent.CallerLeft(caller.Ticket));
        }
    }

    public void End(int pick, SlotEnd end)
    {
        if (_runs.Count == 0)
        {
            return;
        }

        var run = _runs[pick % _runs.Count];
        _runs.Remove(run);
        var instance = run.Instance;
        instance.Running -= instance.Takes ? 1 : 0;
        instance.IdleSince = _now;
        if (end == SlotEnd.Answering)
        {
            _answers.Add(instance);
        }

        if (end == SlotEnd.Broken && instance.State == "ready")
        {
            instance.State = "draining";
        }

        Apply(RevisionEvent.Ended(run.Lease, end), ended: run);
        Assert.NotEqual(SlotEnd.TimedOut, instance.Takes ? end : SlotEnd.Completed);
        Apply(RevisionEvent.Ended(run.Lease, end)); // A second end of the same lease changes nothing.
    }

    /// <summary>The last byte of an answer leaves its instance, or what was the instance of it.</summary>
    public void AnswerLeaves(int pick)
    {
        if (_answers.Count > 0)
        {
            var instance = _answers[pick % _answers.Count];
            _answers.Remove(instance);
            instance.IdleSince = _now;
            Apply(RevisionEvent.AnswerLeft(instance.Id));
        }
    }

    public void Ready(int pick)
    {
        if (Pick(pick, "starting") is { } instance)
        {
            instance.State = "ready";
            instance.ReadyEvent = _events + 1;
            instance.IdleSince = _now;
            var ready = EngineHarness.MakeReady(instance.Id);
            Apply(RevisionEvent.InstanceReady(instance.Id, instance.IsThawing ? ready with { Rung = Rung.Thaw } : ready));
        }
    }

    public void Fail(int pick)
    {
        if (Pick(pick, "starting") is { } instance)
        {
            instance.State = "stopped";
            Apply(RevisionEvent.InstanceFailed(instance.Id, new StartFailure(StartFailureKind.Crash, "exit code 1")));
        }
    }

    public void Lose(int pick)
    {
        if (Pick(pick, "ready", "draining", "frozen") is { } instance)
        {
            _isUncountedOver = instance.State is "frozen" or "draining";
            Void(instance);
            Apply(RevisionEvent.InstanceLost(instance.Id, new InstanceLoss(InstanceLossKind.Crashed, "signal 9")));
        }
    }

    public void Gone(int pick)
    {
        if (Pick(pick, "stopped") is { } instance)
        {
            _instances.Remove(instance.Id);
            Apply(RevisionEvent.InstanceGone(instance.Id));
        }
    }

    public void Hold(int pick)
    {
        if (Pick(pick, "starting") is { } instance)
        {
            instance.IsHeld = !instance.IsHeld;
            Apply(instance.IsHeld ? RevisionEvent.InstanceHeld(instance.Id) : RevisionEvent.InstanceAdmitted(instance.Id));
        }
    }

    public void Evict(int pick)
    {
        if (Pick(pick, "ready", "draining", "starting", "stopped", "frozen") is { } instance)
        {
            Apply(RevisionEvent.Evict(instance.Id));
            Assert.True(!instance.IsOffered || instance.State == "stopped", "an offered instance was not given back");
        }
    }

    /// <summary>The machine says that it cannot freeze.</summary>
    public void RefuseFreeze(int pick)
    {
        if (Pick(pick, "frozen", "ready") is { } instance)
        {
            _isFreezeRefused = true;
            Apply(RevisionEvent.FreezeRefused(instance.Id));
            Assert.NotEqual("frozen", instance.State);
        }
    }

    /// <summary>A busy instance goes when it has finished, unless it is to be kept.</summary>
    public void GiveWay(int pick)
    {
        if (Pick(pick, "ready", "draining", "starting", "stopped") is { } instance)
        {
            var gives = instance.State == "ready" && Count("ready") > Kept && !IsProvisioned(instance);
            instance.State = gives && (instance.Running > 0 || _answers.Contains(instance)) ? "draining" : instance.State;
            var wasIdle = gives && instance.State == "ready";
            Apply(RevisionEvent.GiveWay(instance.Id));
            Assert.True(!wasIdle || instance.State == "stopped", "an idle instance was not given back");
        }
    }

    public void Drain(bool isDraining, int standby = 0)
    {
        _isDraining = isDraining;
        _isStopped = false;
        _standby = standby;
        Apply(isDraining ? RevisionEvent.Drain(DrainReason.NoTraffic, new Standby(standby, IsNext: true)) : RevisionEvent.Of(RevisionEventKind.Resume));
    }

    public void Stop()
    {
        _isStopped |= !_isDraining;
        _isDraining = true;
        _standby = 0;
        foreach (var busy in _instances.Values.Where(i => i.State == "ready" && (i.Running > 0 || _answers.Contains(i))))
        {
            busy.State = "draining";
        }

        Apply(RevisionEvent.Of(RevisionEventKind.Stop));
        Assert.Equal(0, Count("ready", "frozen"));
    }

    /// <summary>Provisioned time is that of as many ready instances as there are to be, to the microsecond.</summary>
    public void Meter()
    {
        Apply(RevisionEvent.Of(RevisionEventKind.MeterProvisioned));
        _provisionedMicroseconds += _effects.ProvisionedMicroseconds;
        Assert.Equal(_provisionedTicks / 10, _provisionedMicroseconds);
    }

    public void ChangeFloor(int instances)
    {
        var floor = Math.Min(instances, spec.MaxInstances);
        if (_isStopped && floor > _floor)
        {
            (_isStopped, _isDraining) = (false, false);
        }

        _floor = floor;
        Apply(RevisionEvent.FloorChanged(new Core.Scaling.InstanceFloor(_floor, "from 08:00 to 18:00 UTC")));
    }

    public void Retire()
    {
        _isRetired = true;
        Apply(RevisionEvent.Of(RevisionEventKind.Retire));
    }

    /// <summary>No more callers: all runs end, starts succeed, what was stopped goes, time passes until the engine wants nothing more.</summary>
    public void Finish()
    {
        for (var round = 0; round < 10_000; round++)
        {
            while (_runs.Count > 0)
            {
                End(0, SlotEnd.Completed);
            }

            while (_answers.Count > 0)
            {
                AnswerLeaves(0);
            }

            if (Pick(0, "stopped") is not null)
            {
                Gone(0);
            }
            else if (Pick(0, "starting") is not null)
            {
                Ready(0);
            }
            else if (_wakeAt == MonotonicTime.Never)
            {
                return;
            }
            else
            {
                Assert.InRange(Pass(_wakeAt - _now), 1, 10);
            }
        }

        Assert.Fail("the engine never comes to rest");
    }

    private Instance? Pick(int pick, params string[] states)
    {
        var fitting = _instances.Values.Where(i => states.Contains(i.State)).ToList();
        return fitting.Count == 0 ? null : fitting[pick % fitting.Count];
    }

    private void Move(MonotonicTime to)
    {
        foreach (var instance in _instances.Values)
        {
            instance.BusyTicks += instance.Running > 0 ? (to - _now).Ticks : 0;
        }

        _provisionedTicks += (to - _now).Ticks * _provisioned;
        _now = to;
    }

    /// <summary>Whatever runs on it is lost; nothing of it is busy any more.</summary>
    private static void Void(Instance instance)
    {
        instance.State = "stopped";
        instance.Running = 0;
    }

    private void Apply(in RevisionEvent @event, Caller? arrived = null, Run? ended = null)
    {
        _events++;
        _effects.Clear();
        _engine.Apply(@event, _now, _effects);
        _wakeAt = _effects.WakeAt;

        CheckMetered(ended);
        CheckRefusals(arrived);
        CheckGrants(arrived);
        CheckFreezes();
        CheckStopsAndStarts();
        CheckThaws();
        CheckOffers();
        CheckChanges();
        CheckRest();
        CheckProvisioned();
    }

    private void CheckMetered(Run? ended)
    {
        if (ended is null)
        {
            Assert.Empty(_effects.Metered);
            return;
        }

        var metered = Assert.Single(_effects.Metered);
        Assert.Equal(ended.Lease, metered.Lease);
        Assert.InRange(metered.MeteredMicroseconds, 0, (_now - ended.StartedAt).Ticks / 10);
        ended.Instance.MeteredMicroseconds += metered.MeteredMicroseconds;
        Assert.True(ended.Instance.MeteredMicroseconds * 10 <= ended.Instance.BusyTicks, "more was metered than the instance was busy");
    }

    private void CheckRefusals(Caller? arrived)
    {
        foreach (var refusal in _effects.Refusals)
        {
            var caller = Assert.Single(_waiting, w => w.Ticket == refusal.Ticket);
            var isFull = _waiting.Count > spec.QueueLimit || _waiting.Sum(w => w.Bytes) > spec.QueueLimitBytes;
            _waiting.Remove(caller);
            var isOverdue = caller.Deadline <= _now;
            Assert.True(refusal.Kind switch
            {
                RefusalKind.QueueFull => caller == arrived && !caller.IsRetry && isFull && refusal.RetryAfter >= TimeSpan.FromSeconds(1),
                RefusalKind.QueueTimeout or RefusalKind.NoCapacity => isOverdue,
                RefusalKind.CallerDeadline => caller.Wishes.Deadline <= caller.QueueDeadline && (isOverdue || (caller == arrived && !_instances.Values.Any(IsFree))),
                RefusalKind.StartTimeout => isOverdue || _effects.Stops.Any(s => s.Reason == StopReason.StartTimedOut),
                RefusalKind.StartFailed => refusal.Failure is not null && refusal.RetryAfter >= TimeSpan.FromSeconds(1),
                _ => _isRetired,
            }, $"{refusal} of {caller} at {_now}");
        }
    }

    private void CheckGrants(Caller? arrived)
    {
        foreach (var grant in _effects.Grants)
        {
            var caller = _waiting[0];
            _waiting.RemoveAt(0);
            Assert.Equal(caller.Ticket, grant.Ticket);
            var instance = _instances[grant.Lease.Instance];
            Assert.Equal("ready", instance.State);
            Assert.True(++instance.Running <= _effects.SlotsPerInstance && _effects.SlotsPerInstance <= spec.Slots, "more invocations than slots");
            var kind = caller == arrived ? StartKind.Warm : instance.ReadyEvent < caller.Event ? StartKind.Queued : StartKind.Cold;
            Assert.Equal((kind, kind == StartKind.Cold ? instance.Cause : null), (grant.Kind, grant.Cause));
            Assert.Equal(_now - caller.ArrivedAt, grant.Queue + grant.Start + grant.Load);
            _runs.Add(new Run(grant.Lease, instance, _now));
        }

        Assert.Equal(_runs.Count, _runs.Select(r => r.Lease.Id).Distinct().Count());
    }

    private void CheckStopsAndStarts()
    {
        foreach (var stop in _effects.Stops)
        {
            var instance = _instances[stop.Instance];
            Assert.NotEqual("stopped", instance.State);
            _isUncountedOver |= instance.State == "frozen";
            if (instance.State == "frozen")
            {
                Assert.True(stop.Reason != StopReason.Idle || _isFreezeRefused || _now - instance.FrozenAt >= spec.FrozenFor, "it was frozen too short");
            }
            else if (stop.Reason is StopReason.Idle or StopReason.Evicted)
            {
                Assert.Equal(0, instance.Running);
                Assert.True(instance.State == "ready" || stop.Reason == StopReason.Evicted, "one that drains was stopped for idleness");
                Assert.DoesNotContain(instance, _answers);
                Assert.True(stop.Reason == StopReason.Evicted || spec.KeepAlive == KeepAliveMode.Learned || _now - instance.IdleSince >= spec.IdleTimeout);
            }

            Void(instance);
        }

        var isBeyond = spec.IsConcurrencyUnlimited && _instances.Values.Where(i => i.State == "ready").Sum(i => i.Running) > Count("ready") * spec.SoftSlots;
        var isWanted = isBeyond || _effects.Starts.All(s => s.IsExpecting) || _waiting.Count > 0 || Count("ready", "starting") < Kept || (Count("ready", "starting") == 0 && _effects.Refusals.Any(r => r.Kind == RefusalKind.CallerDeadline));
        Assert.True(_effects.Starts.Count == 0 || (!_isRetired && isWanted), "a start for nobody");
        foreach (var (id, cause, _) in _effects.Starts)
        {
            _instances.Add(id, new Instance(id, cause));
        }

        Assert.True(Count("ready", "starting", "draining", "frozen") <= spec.MaxInstances, "more instances than allowed");
        Assert.DoesNotContain(_instances.Values, i => i is { State: "draining", Running: 0 } && !_answers.Contains(i));
    }

    private void CheckFreezes()
    {
        foreach (var (id, turn) in _effects.Freezes)
        {
            var instance = _instances[id];
            Assert.Equal(("ready", 0), (instance.State, instance.Running));
            Assert.DoesNotContain(instance, _answers);
            Assert.True(spec.FrozenFor > TimeSpan.Zero && !_isFreezeRefused && !_isDraining && !_isRetired, "it is not to be frozen");
            Assert.True(spec.KeepAlive == KeepAliveMode.Learned || _now - instance.IdleSince >= spec.IdleTimeout);
            Assert.True(turn > instance.Turn, "turns do not grow");
            (instance.State, instance.Turn, instance.FrozenAt) = ("frozen", turn, _now);
        }
    }

    private void CheckThaws()
    {
        foreach (var (id, turn, cause) in _effects.Thaws)
        {
            var instance = _instances[id];
            Assert.Equal("frozen", instance.State);
            Assert.True(turn > instance.Turn, "turns do not grow");
            (instance.State, instance.Turn, instance.Cause, instance.IsThawing) = ("starting", turn, cause, true);
        }

        Assert.DoesNotContain(_instances.Values, i => i.State == "frozen" && (_now - i.FrozenAt >= spec.FrozenFor || _isDraining || _isRetired));
    }

    private void CheckOffers()
    {
        Assert.All(_instances.Values.Where(i => i.State == "frozen"), i => Assert.True(i.IsOffered || _effects.BecameIdle.Contains(i.Id), "a frozen instance is not offered to the machine"));
        _effects.BecameIdle.ForEach(id => _instances[id].IsOffered = true);
        _effects.BecameBusy.ForEach(id => _instances[id].IsOffered = false);
        var mayTake = Count("ready") > Kept;
        foreach (var instance in _instances.Values.Where(i => i.State == "ready"))
        {
            Assert.Equal(mayTake && instance.Running == 0 && !_answers.Contains(instance) && !IsProvisioned(instance), instance.IsOffered);
        }
    }

    private void CheckProvisioned()
    {
        _provisioned = _instances.Values.Count(IsProvisioned);
        Assert.All(_engine.Sample(_now).Instances, i => Assert.Equal(IsProvisioned(_instances[i.Instance]), i.IsProvisioned));
    }

    /// <summary>Those ready that were started first.</summary>
    private bool IsProvisioned(Instance instance) =>
        !_isDraining && !_isRetired && instance.State == "ready"
        && _instances.Values.Count(i => i.State == "ready" && i.Id.Number < instance.Id.Number) < spec.Provisioned;

    private void CheckChanges()
    {
        foreach (var change in _effects.Changes)
        {
            Assert.Equal((_now, EngineHarness.Revision.Number, _live), (change.At, change.Revision, change.From));
            Assert.True(change.From != change.To || _isUncountedOver || change.Reason.Contains(" waits: ", StringComparison.Ordinal), "a change of nothing");
            Assert.NotEmpty(change.Reason);
            _live = change.To;
        }

        _isUncountedOver = false;
        Assert.Equal(Count("ready", "starting"), _live);
    }

    private void CheckRest()
    {
        var sample = _engine.Sample(_now);
        Assert.Equal((_waiting.Count, _waiting.Sum(w => w.Bytes)), (sample.Queued, sample.QueuedBytes));
        Assert.Equal(_instances.Values.Sum(i => i.Running), sample.Running);
        Assert.Equal(_instances.Count, sample.Instances.Length);
        Assert.True(_waiting.Count(w => !w.IsRetry) <= spec.QueueLimit);
        Assert.All(_waiting, w => Assert.True(w.Deadline > _now, "an overdue caller waits"));
        Assert.True(_wakeAt > _now, $"it wants to wake at {_wakeAt}, now is {_now}");
        if (_waiting.Count > 0)
        {
            Assert.DoesNotContain(_instances.Values, IsFree);
            Assert.True(
                Count("frozen") == 0 || Count("ready", "starting") * _effects.SlotsPerInstance >= _waiting.Count + _instances.Values.Where(i => i.State == "ready").Sum(i => i.Running),
                "a caller waits though a frozen instance is there");
            Assert.True(Count("ready", "starting", "draining") > 0, "callers wait for nothing");
            Assert.True(_wakeAt <= _waiting.Min(w => w.Deadline));
        }
    }

    private bool IsFree(Instance instance) => instance.State == "ready" && instance.Running < _effects.SlotsPerInstance;

    private int Count(params string[] states) => _instances.Values.Count(i => states.Contains(i.State));

    private sealed record Caller(
        long Ticket, MonotonicTime ArrivedAt, long Event, MonotonicTime QueueDeadline, long Bytes, bool IsRetry, CallerWishes Wishes)
    {
        public MonotonicTime Deadline => Wishes.Deadline < QueueDeadline ? Wishes.Deadline : QueueDeadline;

        public int Class => IsRetry ? -1 : (int)Wishes.Priority;
    }

    private sealed record Run(SlotLease Lease, Instance Instance, MonotonicTime StartedAt);

    private sealed class Instance(InstanceId id, StartCause cause)
    {
        public InstanceId Id => id;

        public StartCause? Cause { get; set; } = cause;

        public bool IsThawing { get; set; }

        public long Turn { get; set; }

        public MonotonicTime FrozenAt { get; set; }

        /// <summary>starting, ready, frozen, draining or stopped (also failed and lost).</summary>
        public string State { get; set; } = "starting";

        public bool IsHeld { get; set; }

        public bool IsOffered { get; set; }

        public long ReadyEvent { get; set; }

        public int Running { get; set; }

        public MonotonicTime IdleSince { get; set; }

        public long BusyTicks { get; set; }

        public long MeteredMicroseconds { get; set; }

        public bool Takes => State is "ready" or "draining";
    }
}
