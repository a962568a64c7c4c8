using System.Runtime.InteropServices;
using System.Text.Json;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Sandboxing;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

/// <summary>Makes a generic worker an instance: opens its files and passes it the descriptors with its assignment.</summary>
internal static unsafe class Assignments
{
    private const uint OwnerOnly = 0x180; // rw-------
    private const uint EverybodyReads = 0x124; // r--r--r--
    private const int ModeOffset = 28, KindMask = 0xF000, FolderKind = 0x4000;

    /// <summary>An optimised file is of the size of its model, which fits into the memory of whoever loads it: a worker that writes more than this, or this at least, has gone wrong.</summary>
    private const ulong WrittenBytesMin = 1L << 30;

    /// <summary>Null when the worker has its assignment or is ending, else why not.</summary>
    /// <param name="sandbox">The sandbox that the worker is in; null = none.</param>
    public static string? Pass(WorkerProcess worker, AssignWorker assign, IEnclosure? sandbox)
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
                string problem;
                descriptors[i] = sandbox is null
                    ? Open(assign.Descriptors[i], out problem)
                    : OpenFor(worker, assign.Descriptors[i], sandbox, assign.Limits, out problem);
                if (descriptors[i] == SandboxDoor.Gone)
                    return null; // As above: how it ended is seen when it is reaped.
                if (descriptors[i] < 0)
                    return $"file {i + 1} of {descriptors.Length} could not be opened ({problem})";
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

    private static int Open(DescriptorSource source, out string problem)
    {
        var flags = source.Write ? Libc.OpenReadWrite | Libc.OpenCreate | Libc.OpenTruncate : Libc.OpenRead;
        var descriptor = Libc.Open(source.Path, flags | Libc.OpenCloseOnExec, OwnerOnly);
        problem = descriptor < 0 ? Descriptors.Words(Marshal.GetLastPInvokeError()) : "";
        return descriptor;
    }

    /// <summary>Opens it so that a sandboxed worker can do with it what it is for and nothing else.</summary>
    private static int OpenFor(WorkerProcess worker, DescriptorSource source, IEnclosure sandbox, WorkerLimits limits, out string problem)
    {
        var user = sandbox.UserOf(worker.Number).Number;
        if (source.Write)
        {
            var written = Open(source, out problem);
            if (written >= 0 && user is { } number)
                _ = Libc.ChangeOwner(written, number, number);
            var bytes = Math.Max((ulong)limits.MemoryBytes, WrittenBytesMin);
            var pair = stackalloc ulong[2] { bytes, bytes };
            // 0 would be the launcher itself.
            if (worker.InsideId > 0)
                _ = Libc.ProcessLimit(worker.InsideId, Libc.LimitFileSize, pair, null);
            return written;
        }

        if (ModeOf(source.Path) is not { } mode)
        {
            problem = Descriptors.Words(Marshal.GetLastPInvokeError());
            return -1;
        }

        if ((mode & KindMask) == FolderKind)
            return sandbox.Door.ShowPackage(worker.InsideId, worker.InsideDescriptor, source.Path, out problem);
        // Written by another worker, as whom it ran.
        if (user is not null && (mode & EverybodyReads) != EverybodyReads)
            _ = Libc.ChangeMode(source.Path, (mode & 0xFFF) | EverybodyReads);
        return SandboxDoor.OpenReadOnly(source.Path, out problem);
    }

    /// <summary>Kind and permissions; null when it is not there.</summary>
    private static uint? ModeOf(string path)
    {
        const uint ModeField = 2, KindField = 1;
        var status = stackalloc byte[256];
        return Libc.Status(Libc.CurrentFolder, path, 0, ModeField | KindField, status) == 0 ? *(ushort*)(status + ModeOffset) : null;
    }
}
