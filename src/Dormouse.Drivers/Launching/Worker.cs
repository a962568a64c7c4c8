using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Launching;

/// <summary>One worker process as the driver knows it.</summary>
internal sealed class Worker(long number, string socketPath, IWorkerOwner owner, WorkerKind? kind = null)
{
    /// <summary>Null in tests only.</summary>
    public WorkerKind? Kind { get; } = kind;

    public long Number { get; } = number;

    public string SocketPath { get; } = socketPath;

    /// <summary>Who is told what happens to it. Changes hands when a generic worker becomes an instance.</summary>
    public IWorkerOwner Owner { get; set; } = owner;

    /// <summary>0 until the launcher has started it.</summary>
    public int ProcessId { get; set; }

    /// <summary>Folder of this machine in which it has secrets; null = it has none there.</summary>
    public string? SecretsFolder { get; set; }

    /// <summary>Null until it is warm.</summary>
    public WorkerHello? Hello { get; set; }
}

/// <summary>Whom a worker serves: the pool, an instance, an inspection. Called from the driver's inbox only.</summary>
internal interface IWorkerOwner
{
    void Said(Worker worker, WorkerMessage message);

    void Wrote(Worker worker, string line);

    /// <summary>It was frozen and goes on.</summary>
    void Thawed(Worker worker)
    {
    }

    /// <summary>It was to be frozen and cannot be.</summary>
    void FreezeRefused(Worker worker, string reason)
    {
    }

    /// <summary>It is written down, or it is not, or it is not restored.</summary>
    void SnapshotEnded(Worker worker, SnapshotEnded ended)
    {
    }

    /// <summary>Nothing of it is left.</summary>
    void Exited(Worker worker, WorkerExited exit);

    /// <summary>The launcher is gone and the worker with it; what is left of it is removed by the next launcher, before that takes commands.</summary>
    void LauncherLost(Worker worker);
}
