using System.Collections.Immutable;
using Dormouse.Launcher.Kernel;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

// What workers are bounded by.
internal sealed unsafe partial class WorkerTable
{
    private const int FilesMax = 4096;

    /// <summary>Makes its place under its limits. Null when that worked, else why not.</summary>
    /// <exception cref="IOException">The place cannot be made.</exception>
    private string? Place(WorkerProcess worker, WorkerLimits wanted, out ImmutableArray<string> files)
    {
        files = limiter.Create(worker.Place);
        var limits = Effective(wanted);
        if (limiter.Apply(worker.Place, 0, limits, before: null) is { } failure)
            return failure.Reason;
        if (!limiter.LimitsProcess)
            worker.Limits = limits;
        return null;
    }

    private bool ApplyLimits(WorkerProcess worker, WorkerLimits limits)
    {
        if (worker is { Template: not null, ProcessId: 0 })
        {
            // Made ahead and already taken: what its place bounds is bounded, the rest is when its process is known.
            worker.Wanted = limits;
            return true;
        }

        limits = Effective(limits);
        // A worker of the pool mostly has its instance's limits already, and each costs a start a few calls.
        if (limits == worker.Limits)
            return true;
        if (limiter.Apply(worker.Place, worker.InsideId > 0 ? worker.InsideId : worker.ProcessId, limits, worker.Limits) is not { } failure)
        {
            worker.Limits = limits;
            return true;
        }

        worker.Error ??= failure.Reason;
        worker.ExceededMemory |= failure.OutOfMemory;
        Kill(worker);
        return false;
    }

    /// <summary>All cores of the machine, or more, are no limit.</summary>
    private static WorkerLimits Effective(WorkerLimits limits) => limits.Cpu >= Environment.ProcessorCount ? limits with { Cpu = 0 } : limits;

    private static void LimitProcess(WorkerProcess worker)
    {
        var pair = stackalloc ulong[2];
        if (Libc.ProcessLimit(worker.ProcessId, Libc.LimitFiles, null, pair) != 0 || pair[1] <= FilesMax)
            return;
        pair[0] = FilesMax;
        pair[1] = FilesMax;
        _ = Libc.ProcessLimit(worker.ProcessId, Libc.LimitFiles, pair, null);
    }
}
