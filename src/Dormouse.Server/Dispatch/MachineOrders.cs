using System.Collections.Concurrent;
using System.Globalization;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Server.Dispatch;

/// <summary>Carries out what the machine's arbiter wants of revisions, without any lock.</summary>
internal sealed class MachineOrders(ConcurrentDictionary<RevisionId, RevisionDriver> drivers, InstanceStarter starter, MachineLimits limits)
{
    public void CarryOut(Aftermath aftermath, DispatchService dispatch)
    {
        foreach (var instance in aftermath.Admitted)
        {
            if (drivers.TryGetValue(instance.Revision, out var owner) && owner.TryPrepare(instance))
            {
                starter.Begin(owner, instance, dispatch);
            }
        }

        foreach (var instance in aftermath.Evicted)
        {
            drivers.GetValueOrDefault(instance.Revision)?.Apply(RevisionEvent.Evict(instance));
        }

        aftermath.GivingWay.ForEach(i => drivers.GetValueOrDefault(i.Revision)?.Apply(RevisionEvent.GiveWay(i)));
        aftermath.Impossible.ForEach(Refuse);
    }

    private void Refuse(InstanceId instance)
    {
        if (drivers.TryGetValue(instance.Revision, out var owner))
        {
            var spec = owner.Revision.Spec;
            var reason = spec.MemoryMib > limits.MemoryMib
                ? $"An instance needs {spec.MemoryMib} MiB; all instances of this machine together may use {limits.MemoryMib} MiB. Lower the revision's memory or raise machine.memory."
                : string.Create(CultureInfo.InvariantCulture, $"An instance reserves {spec.ReserveCpu} cores; all instances of this machine together may reserve {limits.CpuMillis / 1000.0}. Lower the revision's reserve_cpu or raise machine.cpu.");
            owner.Report(instance, RevisionEvent.InstanceFailed(instance, new StartFailure(StartFailureKind.Memory, reason)));
            owner.Gone(instance);
        }
    }
}
