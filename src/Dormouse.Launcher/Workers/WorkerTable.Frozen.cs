using Dormouse.Launcher.Limits;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

// Workers that stand still for a while.
internal sealed unsafe partial class WorkerTable
{
    private readonly FreezerGuard _guard = new(spawner);

    private void Freeze(WorkerProcess worker)
    {
        if (worker.IsFrozen || worker is { Control: < 0 } or { Template: { End: not null } or { Control: < 0 } })
            return; // It is ending, as is said soon.
        if (limiter.Freezer is not { } freezer)
        {
            tell(new WorkerFreezeRefused(worker.Number, "there is no freezer"));
            return;
        }

        _guard.Begin(freezer);
        if (freezer.Freeze(worker.Place) is { } problem)
        {
            tell(new WorkerFreezeRefused(worker.Number, problem));
            return;
        }

        worker.IsFrozen = true;
        // Takes as long as the disk does. When it is thawed meanwhile what is out already comes back as it is used.
        if (Swap.IsThere())
            ThreadPool.UnsafeQueueUserWorkItem(static pair => pair.limiter.PushOut(pair.Place), (limiter, worker.Place), preferLocal: false);
    }

    private void Thaw(WorkerProcess worker)
    {
        var problem = worker.IsFrozen ? limiter.Freezer?.Thaw(worker.Place) : null;
        worker.IsFrozen = false;
        if (problem is null)
        {
            tell(new WorkerThawed(worker.Number));
            return;
        }

        worker.Error ??= problem;
        Kill(worker);
    }

    /// <summary>It has been told to end, and its forks with it: what is frozen must go on to do so.</summary>
    private void Release(WorkerProcess worker)
    {
        ReleaseOne(worker);
        foreach (var fork in _workers.Values)
        {
            if (fork.Template == worker)
                ReleaseOne(fork);
        }
    }

    private void ReleaseOne(WorkerProcess worker)
    {
        if (worker.IsFrozen)
        {
            _ = limiter.Freezer?.Thaw(worker.Place);
            worker.IsFrozen = false;
        }
    }
}
