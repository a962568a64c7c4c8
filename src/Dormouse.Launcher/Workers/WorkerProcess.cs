using Dormouse.Launcher.Kernel;
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

    /// <summary>0 until it runs, of a fork until it has said so.</summary>
    public int ProcessId { get; set; }

    /// <summary>Readable when the process has ended; -1 where the kernel has none, or once it has been reaped.</summary>
    public int EndDescriptor { get; set; } = -1;

    /// <summary>Our end of the control socket; -1 = closed.</summary>
    public int Control { get; set; } = -1;

    /// <summary>Its standard output and error; -1 = closed.</summary>
    public int Output { get; set; } = -1;

    /// <summary>What it is limited to now; null before any limit was set.</summary>
    public WorkerLimits? Limits { get; set; }

    /// <summary>What a fork is to be limited to once it runs.</summary>
    public WorkerLimits? Wanted { get; set; }

    public int Messages { get; set; }

    /// <summary>Why the launcher ended it; the first reason counts.</summary>
    public string? Error { get; set; }

    /// <summary>It did not fit into its limit, as the launcher (not the kernel) found.</summary>
    public bool ExceededMemory { get; set; }

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
