using System.Text.Json;
using Dormouse.Launcher.Containers;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Limits;
using Dormouse.Launcher.Networking;
using Dormouse.Launcher.Sandboxing;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

/// <summary>All workers of this launcher: starts them, makes them instances, passes on what they say, reaps them, and clears away what they leave.</summary>
/// <param name="sandbox">Null where there is none: a worker that is to be sandboxed does not start.</param>
/// <param name="containers">Null where there are none, likewise.</param>
/// <param name="uplinks">Null where no sandbox can have a way to the network: a worker that is to have one does not start.</param>
/// <param name="tell">Takes events for the server.</param>
/// <param name="isCongested">The server reads slowly: lines are dropped.</param>
internal sealed unsafe partial class WorkerTable(
    WorkerLimiter limiter, Spawner spawner, Sandbox? sandbox, ContainerHouse? containers, UplinkPrograms? uplinks, TimeProvider time, Action<LauncherEvent> tell, Func<bool> isCongested)
{
    /// <summary>How long an ended worker's place may stay occupied before the server is told so and need not wait any more.</summary>
    public static readonly TimeSpan ClearTimeMax = TimeSpan.FromSeconds(10);

    /// <summary>How long a worker may take that was asked to end by itself: a second more than the runner gives exit hooks.</summary>
    private static readonly TimeSpan AskedTimeMax = TimeSpan.FromSeconds(6);

    private const int ReadBytes = 64 * 1024;
    private const int PipeBytesMax = 1024 * 1024;

    private readonly Dictionary<long, WorkerProcess> _workers = [];
    private readonly Dictionary<int, WorkerProcess> _running = [];
    private readonly byte[] _buffer = new byte[WorkerAssignment.PacketBytesMax];
    private readonly List<string> _lines = [];

    public IReadOnlyCollection<WorkerProcess> Workers => _workers.Values;

    /// <summary>Something has ended whose remains must be looked after soon.</summary>
    public bool IsClearing { get; private set; }

    public void Handle(LauncherCommand command)
    {
        if (command is SpawnWorker spawn)
            Spawn(spawn);
        else if (command is ForkWorker fork)
            Fork(fork);
        else if (_workers.TryGetValue(command.Worker, out var worker) && worker.End is null)
            Change(worker, command);
    }

    public void KillAll()
    {
        foreach (var worker in _workers.Values)
            Kill(worker);
    }

    /// <summary>Passes on what the worker says on its control socket.</summary>
    public void ReadControl(WorkerProcess worker)
    {
        while (worker.Control >= 0)
        {
            var sender = 0;
            var door = -1;
            var count = worker is { Template: not null, ProcessId: 0 } ? Descriptors.ReceiveFrom(worker.Control, _buffer, out sender)
                : worker is { Forks: true, Messages: 0 } ? Descriptors.ReceiveWith(worker.Control, _buffer, out door)
                : Descriptors.Receive(worker.Control, _buffer, whole: true);
            TakeDoor(worker, door);
            if (count < 0)
                return;
            if (count == 0)
            {
                // It is ending, or it is out of reach from now on: the same.
                worker.CloseControl();
                if (KillInside(worker))
                    Release(worker);
                else
                    Kill(worker);
                return;
            }

            FindInside(worker);
            if (worker is { Network: not null, Uplink: null })
            {
                Connect(worker, count);
                return;
            }

            if (worker.HeldWord is not null || ++worker.Messages > worker.MessagesMax || count > _buffer.Length || Parse(count) is not { } message || !Take(worker, message, sender))
            {
                worker.Error ??= "the worker broke the control protocol";
                worker.CloseControl();
                Kill(worker);
                return;
            }
        }
    }

    /// <summary>Passes on lines that the worker wrote: one buffer's worth, so that no worker keeps the loop.</summary>
    public void ReadOutput(WorkerProcess worker)
    {
        var count = Descriptors.Receive(worker.Output, _buffer.AsSpan(0, ReadBytes));
        if (count == 0)
            worker.CloseOutput();
        if (count <= 0)
            return;
        worker.Lines.Take(_buffer.AsSpan(0, count), _lines);
        TellLines(worker);
    }

    /// <summary>Reaps what has ended, clears what is left, says what is owed.</summary>
    public void Tick()
    {
        Reap();
        IsClearing = false;
        foreach (var worker in _workers.Values.ToArray())
        {
            if (worker is { End: null, AskedAt: > 0 } && time.GetElapsedTime(worker.AskedAt) > AskedTimeMax)
            {
                worker.AskedAt = 0;
                Kill(worker);
            }

            if (worker.End is { } end)
            {
                Clear(worker, end);
            }
            else if (worker is { Template: { } template, Control: < 0 })
            {
                AwaitEnd(worker, template);
            }
            else if (worker.Lines.OwesNote)
            {
                worker.Lines.Note(_lines);
                TellLines(worker);
            }
        }
    }

    private void Spawn(SpawnWorker spawn)
    {
        IEnclosure? enclosure = spawn.Sandbox is null ? null : spawn.Sandbox.Container ? containers : sandbox;
        var worker = new WorkerProcess(spawn.Worker, $"{Environment.ProcessId}-{spawn.Worker}", spawn.SocketPath, new LineCutter(time))
        {
            Enclosure = enclosure,
            Network = spawn.Sandbox?.Network,
            Forks = spawn.Sandbox is { Forks: true } && enclosure is { KeepsForksApart: true },
            ScratchBytes = spawn.Sandbox?.ScratchBytes ?? 0,
        };
        if (!_workers.TryAdd(spawn.Worker, worker))
            return;
        if (Start(worker, spawn) is { } problem)
        {
            NotStarted(worker, problem);
            return;
        }

        _running.Add(worker.ProcessId, worker);
        Runs(worker, spawn.Limits);
    }

    private void Runs(WorkerProcess worker, WorkerLimits limits)
    {
        tell(new WorkerSpawned(worker.Number, worker.ProcessId));
        LimitProcess(worker);
        if (limiter.LimitsProcess)
            ApplyLimits(worker, limits);
    }

    private void NotStarted(WorkerProcess worker, string problem)
    {
        worker.Error = $"the worker could not be started: {problem}";
        worker.CloseAll();
        SetEnd(worker, new(null, null, 0, 0));
    }

    private void SetEnd(WorkerProcess worker, WorkerEnd end)
    {
        worker.End = end;
        worker.EndedAt = time.GetTimestamp();
        IsClearing = true;
    }

    /// <summary>Null when the process runs, else why not.</summary>
    private string? Start(WorkerProcess worker, SpawnWorker spawn)
    {
        if (spawn.Command.IsDefaultOrEmpty || !File.Exists(spawn.Command[0]))
            return "its program is not there";
        var theirControl = -1;
        var theirOutput = -1;
        try
        {
            if (Place(worker, spawn.Limits, out var places) is { } failure)
                return failure;
            worker.Places = places;
            (worker.Control, theirControl) = Descriptors.PacketPair();
            (worker.Output, theirOutput) = Descriptors.Pipe();
            var start = new WorkerStart { Number = spawn.Worker, Name = worker.Place, Places = places, Command = spawn.Command, Environment = spawn.Environment, Control = theirControl, Output = theirOutput };
            int process;
            var error = spawn.Sandbox is not { } request ? spawner.Start(start, [], out process)
                : worker.Enclosure is null ? throw new IOException(request.Container ? "there are no containers on this machine" : "there is no sandbox on this machine")
                : worker.Enclosure.Start(start with { SocketPath = spawn.SocketPath }, request, limiter.Views(worker.Place), limiter.LimitsProcess ? spawn.Limits.ProcessesMax : 0, out process);
            if (error != 0)
                return Descriptors.Words(error);
            worker.ProcessId = process;
            worker.EndDescriptor = (int)Libc.SystemCall(Libc.CallPidfdOpen, (nuint)process, 0, 0);
            return null;
        }
        catch (Exception exception) when (exception is IOException or System.ComponentModel.Win32Exception)
        {
            return exception.Message;
        }
        finally
        {
            Descriptors.Close(theirControl);
            Descriptors.Close(theirOutput);
        }
    }

    private void Change(WorkerProcess worker, LauncherCommand command)
    {
        if (command is KillWorker)
        {
            Kill(worker);
        }
        else if (command is EndWorker)
        {
            AskToEnd(worker);
        }
        else if (command is FreezeWorker)
        {
            Freeze(worker);
        }
        else if (command is ThawWorker)
        {
            Thaw(worker);
        }
        else if (command is TakeSnapshot take)
        {
            Take(worker, take);
        }
        else if (command is RestoreSnapshot restore)
        {
            Restore(worker, restore);
        }
        else if (command is AssignWorker assign)
        {
            Assign(worker, assign);
        }
    }

    private void Assign(WorkerProcess worker, AssignWorker assign)
    {
        // Only a template has forks that ask.
        if (assign.Assignment is not TemplatePythonAssignment)
            worker.CloseDoor();
        if (!ApplyLimits(worker, assign.Limits) || Assignments.Pass(worker, assign, worker.Enclosure) is not { } problem)
            return;
        worker.Error ??= problem;
        Kill(worker);
    }

    /// <summary>The first word of a sandboxed worker is the time when its process is there to be found.</summary>
    private void FindInside(WorkerProcess worker)
    {
        if (!worker.IsSandboxed || worker.InsideId != 0)
            return;
        worker.InsideId = Sandbox.WorkerOf(worker.ProcessId);
        if (worker.InsideId == 0)
            return;
        worker.InsideDescriptor = (int)Libc.SystemCall(Libc.CallPidfdOpen, (nuint)worker.InsideId, 0, 0);
        worker.Enclosure?.Found(worker);
        tell(new WorkerSpawned(worker.Number, worker.InsideId));
    }

    private WorkerMessage? Parse(int count)
    {
        try
        {
            return JsonSerializer.Deserialize(_buffer.AsSpan(0, count), WorkerJson.Default.WorkerMessage);
        }
        catch (JsonException)
        {
            return null; // The caller ends the worker for it.
        }
    }

    private void TellLines(WorkerProcess worker)
    {
        if (!isCongested())
        {
            foreach (var line in _lines)
                tell(new WorkerWrote(worker.Number, line));
        }

        _lines.Clear();
    }
}
