using System.Globalization;
using System.Text.Json;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Launching;

/// <summary>The workers of one launcher: sends commands and tells each worker's owner what the launcher reports. Used from the driver's inbox only.</summary>
/// <param name="send">Takes commands for the launcher.</param>
/// <param name="nextNumber">Draws worker numbers, unique for the run folder.</param>
internal sealed class LauncherSession(ProcessDriverOptions options, Action<LauncherCommand> send, Func<long> nextNumber)
{
    private readonly Dictionary<long, Worker> _workers = [];

    /// <summary>The connection behind <c>send</c>: events of an earlier one are told apart by it.</summary>
    public LauncherConnection? Connection { get; init; }

    public LauncherHello? Hello { get; set; }

    /// <summary>Engine of the last model worker that said hello; null before the first.</summary>
    public string? EngineKey { get; private set; }

    /// <summary>Starts a generic worker.</summary>
    public Worker Spawn(IWorkerOwner owner, WorkerLimits limits, WorkerKind kind)
    {
        var number = nextNumber();
        // With the server's process id: a launcher that an earlier server left may still be removing its own sockets.
        var worker = new Worker(number, Path.Combine(options.RunFolder, $"w{Environment.ProcessId}-{number}.sock"), owner, kind);
        _workers.Add(number, worker);
        send(new SpawnWorker
        {
            Worker = number,
            SocketPath = worker.SocketPath,
            Command = kind.Sandbox is null
                ? [.. kind.Command, "--socket", worker.SocketPath]
                : [.. kind.Command, "--socket", SandboxRequest.SocketPath, "--listener", SandboxRequest.ListenerDescriptor.ToString(CultureInfo.InvariantCulture)],
            Environment = kind.Environment,
            Limits = limits,
            Sandbox = kind.Sandbox,
        });
        return worker;
    }

    /// <summary>Starts a worker as a fork of a template. It becomes an instance by itself and says so.</summary>
    /// <param name="waits">It is made ahead, and becomes one when it is told to.</param>
    public Worker Fork(Worker template, IWorkerOwner owner, WorkerLimits limits, bool waits = false)
    {
        var number = nextNumber();
        var worker = new Worker(number, Path.Combine(options.RunFolder, $"w{Environment.ProcessId}-{number}.sock"), owner, template.Kind);
        _workers.Add(number, worker);
        send(new ForkWorker { Worker = number, Template = template.Number, SocketPath = worker.SocketPath, Limits = limits, Waits = waits });
        return worker;
    }

    public void Assign(Worker worker, WorkerLimits limits, WorkerAssignment assignment, params IEnumerable<DescriptorSource> descriptors) =>
        send(new AssignWorker { Worker = worker.Number, Limits = limits, Descriptors = [.. descriptors], Assignment = SecretFolders.Placed(assignment, worker) });

    /// <summary>Kills it; its owner is told when nothing is left.</summary>
    public void Kill(Worker worker) => send(new KillWorker { Worker = worker.Number });

    /// <summary>Has it end by itself, and killed when that takes too long; its owner is told when nothing is left.</summary>
    public void End(Worker worker) => send(new EndWorker { Worker = worker.Number });

    public void Freeze(Worker worker) => send(new FreezeWorker { Worker = worker.Number });

    public void Thaw(Worker worker) => send(new ThawWorker { Worker = worker.Number });

    public void TakeSnapshot(Worker template, string folder, CriuProgram criu, JsonElement? record) =>
        send(new TakeSnapshot { Worker = template.Number, Folder = folder, Criu = criu, Record = record });

    public void RestoreSnapshot(Worker worker, string folder, int process, CriuProgram criu) => send(new RestoreSnapshot { Worker = worker.Number, Folder = folder, Process = process, Criu = criu });

    public void Handle(LauncherEvent happened)
    {
        switch (happened)
        {
            case WorkerSpawned spawned when _workers.TryGetValue(spawned.Worker, out var worker):
                worker.ProcessId = spawned.ProcessId;
                break;
            case WorkerSaid said when _workers.TryGetValue(said.Worker, out var worker):
                worker.Hello ??= said.Message as WorkerHello;
                if (worker.Kind is { HasModelEngine: true } && worker.Hello is { } hello)
                    EngineKey = hello.EngineKey;
                worker.Owner.Said(worker, said.Message);
                break;
            case WorkerWrote wrote when _workers.TryGetValue(wrote.Worker, out var worker):
                worker.Owner.Wrote(worker, wrote.Line);
                break;
            case WorkerThawed thawed when _workers.TryGetValue(thawed.Worker, out var worker):
                worker.Owner.Thawed(worker);
                break;
            case WorkerFreezeRefused refused when _workers.TryGetValue(refused.Worker, out var worker):
                worker.Owner.FreezeRefused(worker, refused.Reason);
                break;
            case SnapshotEnded ended when _workers.TryGetValue(ended.Worker, out var worker):
                worker.Owner.SnapshotEnded(worker, ended);
                break;
            case WorkerExited exited when _workers.Remove(exited.Worker, out var worker):
                SecretFolders.Remove(worker);
                worker.Owner.Exited(worker, exited);
                break;
        }
    }

    /// <summary>The launcher has ended.</summary>
    public void Lost()
    {
        foreach (var worker in _workers.Values.ToArray())
        {
            SecretFolders.Remove(worker);
            worker.Owner.LauncherLost(worker);
        }

        _workers.Clear();
    }
}
