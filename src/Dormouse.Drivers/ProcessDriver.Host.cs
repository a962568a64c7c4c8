using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Pool;
using Dormouse.Drivers.Snapshots;
using Dormouse.Drivers.Templates;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers;

// What the runs of instances need of the driver.
public sealed partial class ProcessDriver : IInstanceHost
{
    WorkerPool IInstanceHost.PoolOf(RevisionSpec spec) => _pools.Of(spec);

    RevisionTemplates IInstanceHost.Templates => _templates;

    RevisionSnapshots IInstanceHost.Snapshots => _snapshots;

    LauncherSession? IInstanceHost.Session => _session;

    // Not null: nothing is started before the driver is open.
    IInstanceObserver IInstanceHost.Observer => _observer!;

    TimeProvider IInstanceHost.Time => _time;

    WorkerLimits IInstanceHost.Limits(RevisionSpec spec) => new((long)spec.MemoryMib << 20, spec.Cpu, _options.ProcessesMax);

    string? IInstanceHost.FindOptimised(InstanceStart start, string engineKey)
    {
        try
        {
            return start.OptimisedPath(engineKey) is { } path && File.Exists(path) ? path : null;
        }
        catch (Exception exception)
        {
            // The original loads as well, only more slowly: no reason to fail a start.
            LogOptimisedUnknown(start.Instance, exception);
            return null;
        }
    }

    void IInstanceHost.Runs(InstanceId instance, int processId) => _processes[instance] = processId;

    void IInstanceHost.Gone(InstanceId instance) => Forget(instance);

    void IInstanceHost.GoneAfterSweep(InstanceId instance) => _unswept.Add(instance);
}
