using System.Collections.Immutable;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Networking;
using Dormouse.Launcher.Sandboxing;
using Dormouse.Launcher.Snapshots;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

/// <summary>One worker process and what the launcher holds for it.</summary>
internal sealed class WorkerProcess(long number, string place, string socketPath, LineCutter lines)
{
    /// <summary>A worker says hello, ready or refused or inspected; one that says much more is broken.</summary>
    public int MessagesMax { get; set; } = 16;

    /// <summary>Whose fork it is; null = it was started as a program. A fork is its template's child, not ours: the template says how it ended.</summary>
    public WorkerProcess? Template { get; init; }

    public long Number { get; } = number;

    /// <summary>Name of its folders in the cgroup hierarchies.</summary>
    public string Place { get; } = place;

    public string SocketPath { get; } = socketPath;

    public LineCutter Lines { get; } = lines;

    /// <summary>What was started: the worker, or the outer process of its sandbox, with which everything in the sandbox ends. 0 until it runs, of a fork until it has said so.</summary>
    public int ProcessId { get; set; }

    /// <summary>What it is shut into; null = nothing, or its template's.</summary>
    public IEnclosure? Enclosure { get; init; }

    public bool IsSandboxed => Enclosure is not null;

    /// <summary>Its forks can be kept apart from each other.</summary>
    public bool Forks { get; init; }

    /// <summary>Size of each of its folders for temporary files, bytes; 0 = it has none of its own.</summary>
    public long ScratchBytes { get; init; }

    /// <summary>Listener on which its forks ask to leave their siblings; -1 = none.</summary>
    public int Door { get; set; } = -1;

    /// <summary>Of a fork.</summary>
    public Parting Parting { get; set; }

    /// <summary>The way to the network that its sandbox is to have; null = none.</summary>
    public SandboxNetwork? Network { get; init; }

    /// <summary>That way, once it is being made.</summary>
    public Uplink? Uplink { get; set; }

    /// <summary>Its first word, kept until it has its way to the network: who hears of it may give it work at once.</summary>
    public byte[]? HeldWord { get; set; }

    /// <summary>Files of its place that a process writes itself into to be bounded with it.</summary>
    public ImmutableArray<string> Places { get; set; } = [];

    /// <summary>The worker's own process in its sandbox, as this machine numbers it; 0 until it is known, and of one that is not sandboxed.</summary>
    public int InsideId { get; set; }

    /// <summary>That process as a descriptor: its number may be another's once the sandbox has reaped it. -1 = not known.</summary>
    public int InsideDescriptor { get; set; } = -1;

    /// <summary>Readable when the process has ended; -1 where the kernel has none, or once it has been reaped.</summary>
    public int EndDescriptor { get; set; } = -1;

    /// <summary>Our end of the control socket; -1 = closed.</summary>
    public int Control { get; set; } = -1;

    /// <summary>Its standard output and error; -1 = closed.</summary>
    public int Output { get; set; } = -1;

    /// <summary>What is being done about a snapshot of it, or about making it of one; null = nothing.</summary>
    public SnapshotWork? Snapshot { get; set; }

    /// <summary>It stands still until it is thawed.</summary>
    public bool IsFrozen { get; set; }

    /// <summary>What it is limited to now; null before any limit was set.</summary>
    public WorkerLimits? Limits { get; set; }

    /// <summary>What a fork is to be limited to once it runs.</summary>
    public WorkerLimits? Wanted { get; set; }

    public int Messages { get; set; }

    /// <summary>Why the launcher ended it; the first reason counts.</summary>
    public string? Error { get; set; }

    /// <summary>It did not fit into its limit, as the launcher (not the kernel) found.</summary>
    public bool ExceededMemory { get; set; }

    /// <summary>Times that it was refused a process or thread for their limit, as last read.</summary>
    public long ProcessesRefused { get; set; }

    /// <summary>When it was asked to end by itself, in timestamps of the launcher's clock; 0 = it was not.</summary>
    public long AskedAt { get; set; }

    /// <summary>It was said which processes it had left, or that cannot be said any more.</summary>
    public bool LeftIsTold { get; set; }

    /// <summary>Attempts to reach other machines that were told of, of it and of its forks.</summary>
    public long AttemptsTold { get; set; }

    /// <summary>How it ended; null while it runs.</summary>
    public WorkerEnd? End { get; set; }

    /// <summary>When it was reaped, in timestamps of the launcher's clock.</summary>
    public long EndedAt { get; set; }

    public void CloseAll()
    {
        CloseControl();
        CloseOutput();
        Descriptors.Close(EndDescriptor);
        EndDescriptor = -1;
        Descriptors.Close(InsideDescriptor);
        InsideDescriptor = -1;
        CloseDoor();
        Uplink?.End();
        Snapshot?.End();
    }

    public void CloseDoor()
    {
        Descriptors.Close(Door);
        Door = -1;
    }

    public void CloseControl()
    {
        Descriptors.Close(Control);
        Control = -1;
    }

    public void CloseOutput()
    {
        Descriptors.Close(Output);
        Output = -1;
    }
}

/// <param name="ExitCode">Null when a signal ended it.</param>
/// <param name="PeakMemoryBytes">Of the process alone, as the kernel's resource usage has it.</param>
internal sealed record WorkerEnd(int? ExitCode, int? Signal, long PeakMemoryBytes, long CpuMicroseconds);
