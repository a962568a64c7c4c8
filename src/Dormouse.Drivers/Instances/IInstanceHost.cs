using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Pool;
using Dormouse.Drivers.Snapshots;
using Dormouse.Drivers.Templates;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Instances;

/// <summary>What an instance's run needs of the driver around it.</summary>
internal interface IInstanceHost
{
    /// <summary>Where workers for instances of such a revision come from.</summary>
    WorkerPool PoolOf(RevisionSpec spec);

    /// <summary>What Python instances are forked from.</summary>
    RevisionTemplates Templates { get; }

    /// <summary>What templates are restored from.</summary>
    RevisionSnapshots Snapshots { get; }

    /// <summary>Null while there is no launcher.</summary>
    LauncherSession? Session { get; }

    IInstanceObserver Observer { get; }

    TimeProvider Time { get; }

    WorkerLimits Limits(RevisionSpec spec);

    /// <summary>Path of the optimised file for an engine, or null; never throws.</summary>
    string? FindOptimised(InstanceStart start, string engineKey);

    void Runs(InstanceId instance, int processId);

    /// <summary>Nothing of it is left: tells the observer and forgets it.</summary>
    void Gone(InstanceId instance);

    /// <summary>As <see cref="Gone"/>, once the next launcher has swept up.</summary>
    void GoneAfterSweep(InstanceId instance);
}
