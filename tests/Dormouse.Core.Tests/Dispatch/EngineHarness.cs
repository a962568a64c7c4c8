using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>Drives one engine by hand on virtual time: each call applies one event and keeps the effects of that event alone.</summary>
internal sealed class EngineHarness
{
    public static readonly RevisionId Revision = new(new EndpointId(new Guid("019a0000-0000-7000-8000-000000000001")), 3);

    public static readonly RevisionSpec Spec = new() { Runtime = "onnx", Concurrency = 1, MaxInstances = 4 };

    private long _lastTicket;

    public EngineHarness(RevisionSpec? spec = null, StartCause cause = StartCause.First) => Engine = new RevisionEngine(Revision, spec ?? Spec, 1, cause);

    public RevisionEngine Engine { get; }

    public RevisionEffects Effects { get; } = new();

    public MonotonicTime Now { get; private set; } = new(TimeSpan.TicksPerHour);

    public RevisionSample Sample => Engine.Sample(Now);

    public EngineHarness After(double milliseconds)
    {
        Now += TimeSpan.FromMilliseconds(milliseconds);
        return this;
    }

    public RevisionEffects Apply(in RevisionEvent @event)
    {
        Effects.Clear();
        Engine.Apply(@event, Now, Effects);
        return Effects;
    }

    /// <summary>One more invocation; returns its ticket.</summary>
    public long Arrive(double deadlineMs = 60_000, long bytes = 100, bool isRetry = false, CallerWishes? wishes = null)
    {
        Apply(RevisionEvent.Arrived(++_lastTicket, Now + TimeSpan.FromMilliseconds(deadlineMs), bytes, isRetry, wishes));
        return _lastTicket;
    }

    public SlotLease ArriveAndGet()
    {
        var ticket = Arrive();
        var grant = Assert.Single(Effects.Grants);
        Assert.Equal(ticket, grant.Ticket);
        return grant.Lease;
    }

    public RevisionEffects Ready(InstanceId instance, double startMs = 3, double loadMs = 2) =>
        Apply(RevisionEvent.InstanceReady(instance, MakeReady(instance, startMs, loadMs)));

    public RevisionEffects Fail(InstanceId instance, StartFailureKind kind = StartFailureKind.Model) =>
        Apply(RevisionEvent.InstanceFailed(instance, new StartFailure(kind, "unknown operator 'Foo'")));

    public RevisionEffects Lose(InstanceId instance) =>
        Apply(RevisionEvent.InstanceLost(instance, new InstanceLoss(InstanceLossKind.Crashed, "signal 9")));

    public RevisionEffects Gone(InstanceId instance) => Apply(RevisionEvent.InstanceGone(instance));

    public RevisionEffects End(SlotLease lease, SlotEnd end = SlotEnd.Completed) => Apply(RevisionEvent.Ended(lease, end));

    public RevisionEffects Wake() => Apply(RevisionEvent.Of(RevisionEventKind.Woken));

    /// <summary>From nothing to one ready instance whose only run has ended; the run took 1 ms, the start 5 ms.</summary>
    public InstanceId WarmUp()
    {
        Arrive();
        var instance = Assert.Single(Effects.Starts).Instance;
        var lease = Assert.Single(After(5).Ready(instance).Grants).Lease;
        After(1).End(lease);
        return instance;
    }

    public static InstanceReady MakeReady(InstanceId instance, double startMs = 3, double loadMs = 2) => new(
        $"/run/{instance}", Rung.Pool, TimeSpan.FromMilliseconds(startMs), TimeSpan.FromMilliseconds(loadMs), "{}", true);
}
