using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;
using Dormouse.Launcher.Kernel;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

// Workers that are forks of a template: the template is told to make them, tells how they ended, and takes them along when it ends.
internal sealed unsafe partial class WorkerTable
{
    /// <summary>A fork says that it runs, and its template that it ended.</summary>
    private const int MessagesPerFork = 2;

    private const int WaitingConnections = 512;

    private void Fork(ForkWorker fork)
    {
        var template = _workers.GetValueOrDefault(fork.Template);
        var worker = new WorkerProcess(fork.Worker, $"{Environment.ProcessId}-{fork.Worker}", fork.SocketPath, new LineCutter(time))
        {
            Template = template,
        };
        if (!_workers.TryAdd(fork.Worker, worker))
            return;
        if (template is not { End: null, Control: >= 0 })
            NotStarted(worker, "its template has ended");
        else if (Start(worker, template, fork) is { } problem)
            NotStarted(worker, problem);
        else
            template.MessagesMax += MessagesPerFork;
    }

    /// <summary>Null when the template has its order, else why not.</summary>
    private string? Start(WorkerProcess worker, WorkerProcess template, ForkWorker fork)
    {
        List<int> theirs = [];
        try
        {
            if (Place(worker, fork.Limits, out var places) is { } failure)
                return failure;
            // Its process limits can only be set once it runs.
            worker.Wanted = fork.Limits;
            (worker.Control, var theirControl) = Descriptors.PacketPair();
            theirs.Add(theirControl);
            Descriptors.AskForSender(worker.Control);
            (worker.Output, var theirOutput) = Descriptors.Pipe();
            theirs.Add(theirOutput);
            // Its template may be where no socket that others reach can be made.
            theirs.Add(Descriptors.ListenOn(worker.SocketPath, WaitingConnections));
            foreach (var place in places)
            {
                var file = Libc.Open(place, Libc.OpenWrite | Libc.OpenCloseOnExec, 0);
                if (file < 0)
                    return $"its cgroup cannot be opened ({Descriptors.Words(Marshal.GetLastPInvokeError())})";
                theirs.Add(file);
            }

            var order = JsonSerializer.SerializeToUtf8Bytes(new ForkOrder(worker.Number, fork.Waits, template.Door >= 0), WorkerJson.Default.ForkOrder);
            var error = Descriptors.SendPacket(template.Control, order, CollectionsMarshal.AsSpan(theirs));
            return error == 0 ? null : $"its template does not take orders ({Descriptors.Words(error)})";
        }
        catch (Exception exception) when (exception is IOException or ArgumentException or System.ComponentModel.Win32Exception)
        {
            return exception.Message;
        }
        finally
        {
            foreach (var descriptor in theirs)
                Descriptors.Close(descriptor);
        }
    }

    /// <summary>False: it may not say this.</summary>
    /// <param name="sender">Process of a fork that says its first word; 0 otherwise.</param>
    private bool Take(WorkerProcess worker, WorkerMessage message, int sender)
    {
        if (message is ForkEnded ended)
            return ForkHasEnded(worker, ended);
        if (message is SnapshotWaits or SnapshotRefused)
            return SnapshotSaid(worker, message);
        if (message is WorkerApart apart)
            return Settle(worker, apart);
        if (message is not WorkerForked)
        {
            // One that is refused ends.
            if (message is not WorkerRefused && !HasParted(worker))
                return false;
            if (worker.ProcessId != 0)
                tell(new WorkerSaid(worker.Number, message));
            return worker.ProcessId != 0;
        }

        if (sender == 0)
            return false;
        worker.ProcessId = sender;
        // There is none when it has ended meanwhile and was reaped: what it said still counts, and its template tells how it ended.
        worker.EndDescriptor = (int)Libc.SystemCall(Libc.CallPidfdOpen, (nuint)sender, 0, 0);
        Runs(worker, worker.Wanted ?? new(0, 0, 0));
        return true;
    }

    private bool ForkHasEnded(WorkerProcess template, ForkEnded ended)
    {
        if (!_workers.TryGetValue(ended.Worker, out var fork) || fork.Template != template)
            return false;
        if (fork.End is null)
            End(fork, new(ended.ExitCode, ended.Signal, Math.Max(0, ended.PeakMemoryBytes), Math.Max(0, ended.CpuMicroseconds)));
        return true;
    }

    /// <summary>The template's end is that of its forks: the kernel kills them with it.</summary>
    private void EndForks(WorkerProcess template)
    {
        foreach (var fork in _workers.Values.Where(worker => worker.Template == template && worker.End is null).ToArray())
        {
            KillFork(fork);
            Release(fork);
            if (fork.End is null)
                End(fork, new(null, Libc.SignalKill, 0, 0));
        }
    }

    private void End(WorkerProcess fork, WorkerEnd end)
    {
        TellBeforeEnd(fork);
        ReadLast(fork);
        SetEnd(fork, end);
    }

    private void KillFork(WorkerProcess fork)
    {
        if (fork.EndDescriptor >= 0)
        {
            _ = Libc.SystemCall(Libc.CallPidfdSignal, (nuint)fork.EndDescriptor, Libc.SignalKill, 0);
        }
        else if (fork.ProcessId == 0)
        {
            // Its process is not known yet: it ends by itself when it finds its control socket closed, and its template says so.
            fork.CloseControl();
            IsClearing = true;
        }
    }

    /// <summary>It is ending, but its template has not said so: one that never does is broken.</summary>
    private void AwaitEnd(WorkerProcess fork, WorkerProcess template)
    {
        if (fork.EndedAt == 0)
            fork.EndedAt = time.GetTimestamp();
        IsClearing = true;
        if (time.GetElapsedTime(fork.EndedAt) < ClearTimeMax)
            return;
        template.Error ??= "it did not tell how a fork of it ended";
        Kill(template);
    }

    /// <summary>Sessions of workers that run, and of their ways to the network: every one leads a session of its own.</summary>
    private ImmutableHashSet<int> LivingSessions() =>
        [.. _workers.Values.Where(worker => worker is { End: null, ProcessId: > 0 }).SelectMany(worker => (int[])[worker.ProcessId, worker.Uplink?.ProcessId ?? 0])];
}
