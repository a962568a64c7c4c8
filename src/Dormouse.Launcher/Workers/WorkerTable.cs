using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Limits;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

/// <summary>All workers of this launcher: starts them, makes them instances, passes on what they say, reaps them, and clears away what they leave.</summary>
/// <param name="tell">Takes events for the server.</param>
/// <param name="isCongested">The server reads slowly: lines are dropped.</param>
internal sealed unsafe partial class WorkerTable(
    WorkerLimiter limiter, Spawner spawner, TimeProvider time, Action<LauncherEvent> tell, Func<bool> isCongested)
{
    /// <summary>How long an ended worker's place may stay occupied before the server is told so and need not wait any more.</summary>
    public static readonly TimeSpan ClearTimeMax = TimeSpan.FromSeconds(10);

    private const int FilesMax = 4096;
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
            var count = worker is { Template: not null, ProcessId: 0 }
                ? Descriptors.ReceiveFrom(worker.Control, _buffer, out sender)
                : Descriptors.Receive(worker.Control, _buffer, whole: true);
            if (count < 0)
                return;
            if (count == 0)
            {
                // It is ending, or it is out of reach from now on: the same.
                worker.CloseControl();
                Kill(worker);
                return;
            }

            if (++worker.Messages > worker.MessagesMax || count > _buffer.Length || Parse(count) is not { } message || !Take(worker, message, sender))
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
        var worker = new WorkerProcess(spawn.Worker, $"{Environment.ProcessId}-{spawn.Worker}", spawn.SocketPath, new LineCutter(time));
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
            (worker.Control, theirControl) = Descriptors.PacketPair();
            (worker.Output, theirOutput) = Descriptors.Pipe();
            var error = spawner.Start(places, spawn.Command, spawn.Environment, theirControl, theirOutput, out var process);
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

    /// <summary>Makes its place under its limits. Null when that worked, else why not.</summary>
    /// <exception cref="IOException">The place cannot be made.</exception>
    private string? Place(WorkerProcess worker, WorkerLimits wanted, out ImmutableArray<string> files)
    {
        files = limiter.Create(worker.Place);
        var limits = Effective(wanted);
        if (limiter.Apply(worker.Place, 0, limits) is { } failure)
            return failure.Reason;
        if (!limiter.LimitsProcess)
            worker.Limits = limits;
        return null;
    }

    private void Change(WorkerProcess worker, LauncherCommand command)
    {
        if (command is KillWorker)
        {
            Kill(worker);
        }
        else if (command is AssignWorker assign && ApplyLimits(worker, assign.Limits) && Assign(worker, assign) is { } problem)
        {
            worker.Error ??= problem;
            Kill(worker);
        }
    }

    /// <summary>Null when the worker has its assignment or is ending, else why not.</summary>
    private static string? Assign(WorkerProcess worker, AssignWorker assign)
    {
        if (worker.Control < 0)
            return null; // It ended, or was ended, before this came: how is seen when it is reaped.
        var packet = JsonSerializer.SerializeToUtf8Bytes(assign.Assignment, WorkerJson.Default.WorkerAssignment);
        if (packet.Length > WorkerAssignment.PacketBytesMax)
            return $"the assignment has {packet.Length} bytes; {WorkerAssignment.PacketBytesMax} are allowed";
        Span<int> descriptors = stackalloc int[assign.Descriptors.Length];
        descriptors.Fill(-1);
        try
        {
            for (var i = 0; i < descriptors.Length; i++)
            {
                var source = assign.Descriptors[i];
                var flags = source.Write ? Libc.OpenReadWrite | Libc.OpenCreate | Libc.OpenTruncate : Libc.OpenRead;
                const uint OwnerOnly = 0x180; // rw-------
                descriptors[i] = Libc.Open(source.Path, flags | Libc.OpenCloseOnExec, OwnerOnly);
                if (descriptors[i] < 0)
                    return $"file {i + 1} of {descriptors.Length} could not be opened ({Descriptors.Words(Marshal.GetLastPInvokeError())})";
            }

            var error = Descriptors.SendPacket(worker.Control, packet, descriptors);
            // One that has ended without our knowing yet is no different.
            return error is 0 or Libc.BrokenPipe or Libc.ConnectionReset ? null : $"the assignment could not be sent ({Descriptors.Words(error)})";
        }
        finally
        {
            foreach (var descriptor in descriptors)
                Descriptors.Close(descriptor);
        }
    }

    private bool ApplyLimits(WorkerProcess worker, WorkerLimits limits)
    {
        limits = Effective(limits);
        // A worker of the pool mostly has its instance's limits already, and each costs a start a few calls.
        if (limits == worker.Limits)
            return true;
        if (limiter.Apply(worker.Place, worker.ProcessId, limits) is not { } failure)
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

    /// <summary>Its whole process group; the group leader is not reaped yet, so the number cannot be someone else's. Of a fork, which its template reaps, the process alone.</summary>
    private void Kill(WorkerProcess worker)
    {
        if (worker.End is not null)
            return;
        if (worker.Template is not null)
        {
            KillFork(worker);
            return;
        }

        if (worker.ProcessId == 0)
            return;
        // Before the new session exists (some microseconds after the start) the group has no such number.
        if (Libc.Kill(-worker.ProcessId, Libc.SignalKill) != 0)
            _ = Libc.Kill(worker.ProcessId, Libc.SignalKill);
    }

    private void Reap()
    {
        const int All = 0, ProcessIdOffset = 16;
        var info = stackalloc byte[128];
        var usage = stackalloc long[18];
        while (true)
        {
            new Span<byte>(info, 128).Clear();
            if (Libc.WaitId(All, 0, info, Libc.WaitExited | Libc.WaitNoHang | Libc.WaitLeave) != 0)
                return;
            var process = *(int*)(info + ProcessIdOffset);
            if (process == 0)
                return;
            var worker = _running.GetValueOrDefault(process);
            if (worker is not null)
            {
                Kill(worker); // The rest of its group, while the number is still held by the one that ended.
                ReadLast(worker);
            }

            int status;
            if (Libc.Wait(process, &status, 0, usage) != process || worker is null)
                continue; // An orphan that a worker left.
            _running.Remove(process);
            SetEnd(worker, Ended(status, usage));
            EndForks(worker);
        }
    }

    /// <summary>What it said and wrote last comes before its end: at most what a pipe can hold, for someone else may still write to it.</summary>
    private void ReadLast(WorkerProcess worker)
    {
        ReadControl(worker);
        for (var bytes = 0; bytes < PipeBytesMax && worker.Output >= 0 && Descriptors.Receive(worker.Output, _buffer.AsSpan(0, ReadBytes)) is > 0 and var count; bytes += count)
            worker.Lines.Take(_buffer.AsSpan(0, count), _lines);
        worker.Lines.End(_lines);
        TellLines(worker);
        worker.CloseAll();
    }

    private static WorkerEnd Ended(int status, long* usage)
    {
        var signal = status & 0x7F;
        const int UserSeconds = 0, UserMicroseconds = 1, SystemSeconds = 2, SystemMicroseconds = 3, PeakKib = 4;
        return new(
            signal == 0 ? (status >> 8) & 0xFF : null,
            signal == 0 ? null : signal,
            usage[PeakKib] * 1024,
            (usage[UserSeconds] + usage[SystemSeconds]) * 1_000_000 + usage[UserMicroseconds] + usage[SystemMicroseconds]);
    }

    private void Clear(WorkerProcess worker, WorkerEnd end)
    {
        var used = limiter.Usage(worker.Place);
        if (!limiter.TryClear(worker.Place, worker.ProcessId, LivingSessions()))
        {
            if (time.GetElapsedTime(worker.EndedAt) < ClearTimeMax)
            {
                // The counters go with the group: keep what was read while it was there.
                worker.End = end with
                {
                    PeakMemoryBytes = Math.Max(end.PeakMemoryBytes, used.PeakMemoryBytes),
                    CpuMicroseconds = Math.Max(end.CpuMicroseconds, used.CpuMicroseconds),
                };
                worker.ExceededMemory |= used.OutOfMemoryKills > 0 && end.Signal == Libc.SignalKill;
                IsClearing = true;
                return;
            }

            worker.Error ??= $"something of the worker could not be removed within {ClearTimeMax.TotalSeconds} s";
        }

        _ = Libc.Unlink(worker.SocketPath);
        _workers.Remove(worker.Number);
        tell(new WorkerExited(
            worker.Number,
            end.ExitCode,
            end.Signal,
            worker.ExceededMemory || (used.OutOfMemoryKills > 0 && end.Signal == Libc.SignalKill),
            used.PeakMemoryBytes > 0 ? used.PeakMemoryBytes : end.PeakMemoryBytes,
            used.CpuMicroseconds > 0 ? used.CpuMicroseconds : end.CpuMicroseconds)
        {
            Error = worker.Error,
        });
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
