using Dormouse.Launcher.Containers;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Sandboxing;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

// How workers end: they are killed, or end by themselves; are reaped; and what they leave is cleared away.
internal sealed unsafe partial class WorkerTable
{
    /// <summary>Kills the worker in its sandbox, and leaves it to the sandbox to end and to say how the worker had ended. False: it is not sandboxed, or not known.</summary>
    private static bool KillInside(WorkerProcess worker)
    {
        if (worker.InsideDescriptor < 0)
            return false;
        _ = Libc.SystemCall(Libc.CallPidfdSignal, worker.InsideDescriptor, (byte*)Libc.SignalKill, 0, null, 0);
        return true;
    }

    /// <summary>Has it end by itself, for what its code does then; one that cannot be asked is killed.</summary>
    private void AskToEnd(WorkerProcess worker)
    {
        var process = worker.IsSandboxed ? worker.InsideDescriptor : worker.EndDescriptor;
        if (process < 0 || Libc.SystemCall(Libc.CallPidfdSignal, (nuint)process, Libc.SignalTerminate, 0) != 0)
        {
            Kill(worker);
            return;
        }

        TellUnreached(worker);
        Release(worker);
        worker.AskedAt = time.GetTimestamp();
    }

    /// <summary>Its whole process group; the group leader is not reaped yet, so the number cannot be someone else's. Of a fork, which its template reaps, the process alone.</summary>
    private void Kill(WorkerProcess worker)
    {
        if (worker.End is not null)
            return;
        TellBeforeEnd(worker);
        if (worker.Template is not null)
        {
            KillFork(worker);
            Release(worker);
            return;
        }

        if (worker.ProcessId == 0)
            return;
        // What makes containers clears up behind them, if it is let.
        if (worker.Enclosure is ContainerHouse && KillInside(worker))
        {
            Release(worker);
            return;
        }

        // Before the new session exists (some microseconds after the start) the group has no such number.
        if (Libc.Kill(-worker.ProcessId, Libc.SignalKill) != 0)
            _ = Libc.Kill(worker.ProcessId, Libc.SignalKill);
        Release(worker);
    }

    /// <summary>What its log is to say of it that cannot be known afterwards.</summary>
    private void TellBeforeEnd(WorkerProcess worker)
    {
        TellLeft(worker);
        TellUnreached(worker);
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
            if (Libc.Wait(process, &status, 0, usage) != process)
                continue;
            if (worker is null)
            {
                if (!SnapshotProgramEnded(process, status))
                    UplinkEnded(process); // Or an orphan that a worker left.
                continue;
            }

            _running.Remove(process);
            SetEnd(worker, Ended(worker, status, usage));
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

    private static WorkerEnd Ended(WorkerProcess worker, int status, long* usage)
    {
        var endingSignal = status & 0x7F;
        int? code = endingSignal == 0 ? (status >> 8) & 0xFF : null;
        var (exitCode, signal) = worker.IsSandboxed ? Sandbox.EndOf(code, endingSignal == 0 ? null : endingSignal) : (code, endingSignal == 0 ? null : endingSignal);
        const int UserSeconds = 0, UserMicroseconds = 1, SystemSeconds = 2, SystemMicroseconds = 3, PeakKib = 4;
        return new(
            exitCode,
            signal,
            usage[PeakKib] * 1024,
            (usage[UserSeconds] + usage[SystemSeconds]) * 1_000_000 + usage[UserMicroseconds] + usage[SystemMicroseconds]);
    }

    private void Clear(WorkerProcess worker, WorkerEnd end)
    {
        var used = limiter.Usage(worker.Place);
        worker.ProcessesRefused = Math.Max(worker.ProcessesRefused, used.ProcessesRefused);
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
        worker.Enclosure?.Clear(worker.Place);
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
            ProcessesRefused = worker.ProcessesRefused,
        });
    }
}
