using System.Text.Json;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Sandboxing;
using Dormouse.Launcher.Snapshots;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

// Templates that are written down, and workers that are made of what was. Each is a few steps, and nobody waits for one.
internal sealed partial class WorkerTable
{
    /// <summary>The template says that the process waits, or why there is none.</summary>
    private const int MessagesPerSnapshot = 2;

    private void Take(WorkerProcess worker, TakeSnapshot take)
    {
        if (Refusal(worker) is { } refusal)
        {
            tell(new SnapshotEnded(worker.Number, 0, refusal));
            return;
        }

        worker.Snapshot = new(take.Criu, take.Folder, process: 0) { Record = take.Record };
        if (Run(worker, worker.Snapshot, SnapshotWork.Step.Numbering) is { } problem)
            EndSnapshot(worker, problem);
    }

    private void Restore(WorkerProcess worker, RestoreSnapshot restore)
    {
        var problem = Refusal(worker);
        if (problem is null)
        {
            worker.Snapshot = new(restore.Criu, restore.Folder, restore.Process);
            // Its listener is the carrier's: what is restored has a filter that nobody listens to, so its forks stay together.
            worker.CloseDoor();
            KernelFacts.LayOut(restore.Folder, worker.InsideId);
            problem = Run(worker, worker.Snapshot, SnapshotWork.Step.Restoring);
        }

        if (problem is not null)
            NotRestored(worker, problem);
    }

    private static string? Refusal(WorkerProcess worker) =>
        worker.Enclosure is not Sandbox || worker is { InsideId: 0 } or { Template: not null } ? "Only a sandboxed worker can be written down or restored."
        : worker.Snapshot is not null ? "Another snapshot of it is being made."
        : CriuCommand.Obstacle();

    private string? Run(WorkerProcess worker, SnapshotWork work, SnapshotWork.Step step)
    {
        var command = step switch
        {
            SnapshotWork.Step.Numbering => CriuCommand.Number(),
            // Not null: a sandbox is there only with setpriv, and Refusal has asked for a sandbox; of an administrator's worker the user is a number.
            SnapshotWork.Step.Dumping => CriuCommand.Dump(work.Criu, spawner.SetPrivileges!, work.Process, worker.Enclosure!.UserOf(worker.Number).Number ?? 0),
            _ => CriuCommand.Restore(work.Criu),
        };
        // What is restored is bounded as what restores it.
        return work.Run(step, spawner, command, step == SnapshotWork.Step.Restoring ? worker.Places : [], worker.InsideId, worker.InsideDescriptor);
    }

    /// <summary>A template said something of its snapshot. False: it may not say this now.</summary>
    private bool SnapshotSaid(WorkerProcess worker, WorkerMessage message)
    {
        if (worker.Snapshot is not { Now: SnapshotWork.Step.Forking } work)
            return false;
        if (message is SnapshotRefused refused)
        {
            EndSnapshot(worker, refused.Reason);
        }
        else if (message is SnapshotWaits { Process: >= CriuCommand.FirstProcess } waits)
        {
            work.Process = waits.Process;
            if (Run(worker, work, SnapshotWork.Step.Dumping) is { } problem)
                EndSnapshot(worker, problem);
        }
        else
        {
            EndSnapshot(worker, "The process that was to be written down has a number that may be taken in another sandbox.");
        }

        return true;
    }

    /// <summary>A process was reaped that is no worker's. False: nor was it one that works on a snapshot.</summary>
    /// <param name="status">As the kernel has it.</param>
    private bool SnapshotProgramEnded(int process, int status)
    {
        if (_workers.Values.FirstOrDefault(worker => worker.Snapshot?.ProgramId == process) is not { Snapshot: { } work } worker)
            return false;
        work.Reaped();
        if (worker.End is not null)
            return true;
        switch (work.Now)
        {
            case SnapshotWork.Step.Numbering when status != 0:
                EndSnapshot(worker, "The kernel does not let the number of the next process be set.");
                break;
            case SnapshotWork.Step.Numbering:
                work.Forks();
                worker.MessagesMax += MessagesPerSnapshot;
                if (!Order(worker, "take_snapshot", work.Record))
                    EndSnapshot(worker, "It does not take orders.");
                break;
            case SnapshotWork.Step.Dumping:
                EndSnapshot(worker, status == 0 ? null : work.LastWords("write"));
                break;
            case SnapshotWork.Step.Restoring when status != 0:
                NotRestored(worker, work.LastWords("restore"));
                break;
            case SnapshotWork.Step.Restoring:
                KernelFacts.Keep(work.Folder, worker.InsideId);
                Restored(worker, work.Process);
                break;
        }

        return true;
    }

    private void EndSnapshot(WorkerProcess worker, string? problem)
    {
        // Not null: it is what ends.
        var process = worker.Snapshot!.Process;
        worker.Snapshot = null;
        if (process != 0)
            _ = Order(worker, "end_snapshot"); // The process is still there when it could not be written down.
        tell(new SnapshotEnded(worker.Number, problem is null ? process : 0, problem));
    }

    /// <summary>The process is there, and is looked at before anything of the user's runs in it.</summary>
    private void Restored(WorkerProcess worker, int inside)
    {
        worker.Snapshot = null;
        var process = Sandbox.ProcessIn(worker.ProcessId, inside);
        if (process == 0)
        {
            NotRestored(worker, "What was restored is not to be found.");
        }
        else if (Sandbox.Gap(process) is { } gap)
        {
            NotRestored(worker, $"What was restored is not shut in: {gap}.");
        }
        else
        {
            tell(new WorkerSpawned(worker.Number, process));
            if (!Order(worker, "restored"))
                NotRestored(worker, "Its carrier does not take orders.");
        }
    }

    private void NotRestored(WorkerProcess worker, string problem)
    {
        worker.Snapshot?.End();
        worker.Snapshot = null;
        tell(new SnapshotEnded(worker.Number, 0, problem));
        Kill(worker);
    }

    private static bool Order(WorkerProcess worker, string type, JsonElement? record = null) =>
        worker.Control >= 0 && Descriptors.SendPacket(worker.Control, JsonSerializer.SerializeToUtf8Bytes(new SnapshotOrder(type, record), WorkerJson.Default.SnapshotOrder), []) == 0;
}
