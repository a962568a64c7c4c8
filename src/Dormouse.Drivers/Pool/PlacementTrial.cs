using Dormouse.Drivers.Launching;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Pool;

/// <summary>A worker that is started at a placement and ended again, to find out whether that can be made here. Used from the driver's inbox only, but for <see cref="Problem"/>.</summary>
internal sealed class PlacementTrial(Action<Worker> kill) : IWorkerOwner
{
    private readonly TaskCompletionSource<string?> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _saidHello;

    /// <summary>Ends when nothing of the worker is left: null when it came to say its first word, else why not, a clause.</summary>
    public Task<string?> Problem => _done.Task;

    public void Said(Worker worker, WorkerMessage message)
    {
        // It is passed on only when its way to the network, if it is to have one, is open.
        _saidHello = true;
        kill(worker);
    }

    public void Wrote(Worker worker, string line)
    {
        // It has nothing to say that matters here.
    }

    public void Exited(Worker worker, WorkerExited exit) => _done.TrySetResult(_saidHello ? null : $"a worker that was tried {ExitWords.For(exit)}");

    public void LauncherLost(Worker worker) => NoLauncher();

    public void NoLauncher() => _done.TrySetResult(_saidHello ? null : "the launcher has ended and is being replaced; ask again");
}
