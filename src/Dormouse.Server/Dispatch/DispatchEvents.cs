using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Server.Dispatch;

/// <summary>What happens to instances, for those who count, log or keep things per instance. Handlers run on the thread of the event, hold no lock and must not throw.</summary>
internal sealed class DispatchEvents
{
    /// <summary>The engine wants an instance.</summary>
    public event Action<Revision, InstanceToStart>? StartDecided;

    /// <summary>The engine ends an instance.</summary>
    public event Action<Revision, InstanceToStop>? StopDecided;

    /// <summary>The number of instances of a revision changed, and why.</summary>
    public event Action<Revision, ScalingChange>? Changed;

    /// <summary>Files that a start of the revision reads are worth reading now, and why.</summary>
    public event Action<Revision, string>? PrefetchWanted;

    public event Action<Revision, InstanceId, InstanceReady>? Ready;

    public event Action<Revision, InstanceId, StartFailure>? Failed;

    public event Action<Revision, InstanceId, InstanceLoss>? Lost;

    /// <summary>Nothing is left of it.</summary>
    public event Action<InstanceId>? Gone;

    /// <summary>A line that the instance's program wrote.</summary>
    public event Action<InstanceId, string>? Wrote;

    public void RaiseStartDecided(Revision revision, InstanceToStart start) => StartDecided?.Invoke(revision, start);

    public void RaiseStopDecided(Revision revision, InstanceToStop stop) => StopDecided?.Invoke(revision, stop);

    public void RaiseChanged(Revision revision, ScalingChange change) => Changed?.Invoke(revision, change);

    public void RaisePrefetchWanted(Revision revision, string why) => PrefetchWanted?.Invoke(revision, why);

    public void RaiseReady(Revision revision, InstanceId instance, InstanceReady ready) => Ready?.Invoke(revision, instance, ready);

    public void RaiseFailed(Revision revision, InstanceId instance, StartFailure failure) => Failed?.Invoke(revision, instance, failure);

    public void RaiseLost(Revision revision, InstanceId instance, InstanceLoss loss) => Lost?.Invoke(revision, instance, loss);

    public void RaiseGone(InstanceId instance) => Gone?.Invoke(instance);

    public void RaiseWrote(InstanceId instance, string line) => Wrote?.Invoke(instance, line);
}
