using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Dormouse.Protocol.Launching;

/// <summary>
/// Server ↔ launcher: frames of a 4-byte little-endian length and that many bytes of JSON over one Unix stream socket that the launcher
/// listens on and the server connects to. The launcher ends, and all workers with it, when that connection ends.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(SpawnWorker), "spawn")]
[JsonDerivedType(typeof(AssignWorker), "assign")]
[JsonDerivedType(typeof(ForkWorker), "fork")]
[JsonDerivedType(typeof(KillWorker), "kill")]
public abstract record LauncherCommand
{
    /// <summary>The server's number for the worker process, unique per launcher connection.</summary>
    public required long Worker { get; init; }
}

/// <summary>Starts a generic worker process: own cgroup, descriptor 3 = control socket, standard output and error read by the launcher.</summary>
public sealed record SpawnWorker : LauncherCommand
{
    /// <summary>Path of the Unix socket on which the worker will serve HTTP. The launcher removes it when the worker has ended.</summary>
    public required string SocketPath { get; init; }

    /// <summary>Executable and arguments.</summary>
    public required ImmutableArray<string> Command { get; init; }

    /// <summary>The worker's whole environment.</summary>
    public required ImmutableSortedDictionary<string, string> Environment { get; init; }

    /// <summary>Limits until it is assigned.</summary>
    public required WorkerLimits Limits { get; init; }

    /// <summary>The sandbox it is started in; null = none, it sees the machine as the launcher does.</summary>
    public SandboxRequest? Sandbox { get; init; }
}

/// <summary>What a sandboxed worker sees beside the system itself (docs/spec/sandbox.md).</summary>
public sealed record SandboxRequest
{
    /// <summary>Where a sandboxed worker finds its own HTTP socket. The launcher listens on <see cref="SpawnWorker.SocketPath"/> and passes the descriptor.</summary>
    public const string SocketPath = "/run/dormouse.sock";

    /// <summary>The descriptor that listens.</summary>
    public const int ListenerDescriptor = 4;

    /// <summary>Where it finds the package of its revision.</summary>
    public const string PackagePath = "/package";

    /// <summary>Folders that it sees read-only at their own absolute paths: its program, its interpreter, its libraries.</summary>
    public required ImmutableArray<string> ReadOnlyFolders { get; init; }

    /// <summary>Size of <c>/tmp</c> and of <c>/dev/shm</c>, bytes each; what is in them counts as the worker's memory.</summary>
    public required long ScratchBytes { get; init; }
}

/// <summary>Makes a generic worker an instance: the launcher sets the limits, opens the files and passes the descriptors with the assignment.</summary>
public sealed record AssignWorker : LauncherCommand
{
    public required WorkerLimits Limits { get; init; }

    /// <summary>Files or folders to open; the n-th descriptor that the worker receives is the n-th entry.</summary>
    public required ImmutableArray<DescriptorSource> Descriptors { get; init; }

    public required WorkerAssignment Assignment { get; init; }
}

/// <summary>Starts a worker as a fork of a template, which is a worker that said <see cref="PythonTemplate"/>: own cgroup, control socket and output; it serves without an assignment.</summary>
public sealed record ForkWorker : LauncherCommand
{
    /// <summary>Number of the template. When it ends its forks end with it.</summary>
    public required long Template { get; init; }

    /// <summary>As <see cref="SpawnWorker.SocketPath"/>; the launcher makes it.</summary>
    public required string SocketPath { get; init; }

    public required WorkerLimits Limits { get; init; }
}

public sealed record KillWorker : LauncherCommand;

/// <param name="Path">Absolute path as the launcher sees it.</param>
/// <param name="Write">Created and truncated for writing; else opened read-only (a folder too).</param>
public sealed record DescriptorSource(string Path, bool Write);

/// <param name="MemoryBytes">Hard limit; the kernel kills what exceeds it. 0 = none.</param>
/// <param name="Cpu">Cores; 0 = no limit.</param>
/// <param name="ProcessesMax">Threads and processes together; 0 = no limit.</param>
public sealed record WorkerLimits(long MemoryBytes, double Cpu, int ProcessesMax);

/// <summary>Launcher → server, same framing.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(LauncherHello), "launcher_hello")]
[JsonDerivedType(typeof(WorkerSpawned), "spawned")]
[JsonDerivedType(typeof(WorkerSaid), "said")]
[JsonDerivedType(typeof(WorkerWrote), "wrote")]
[JsonDerivedType(typeof(WorkerExited), "exited")]
public abstract record LauncherEvent;

/// <summary>First message: what works on this machine.</summary>
/// <param name="Cgroups">"v1", "v2" or "none".</param>
/// <param name="Notes">Sentences for <c>doctor</c>: each fall-back in use and how to mend it.</param>
public sealed record LauncherHello(int ProcessId, string Cgroups, ImmutableArray<string> Notes) : LauncherEvent
{
    /// <summary>"aot" or "jit".</summary>
    public string Build { get; init; } = "jit";

    /// <summary>What was found out about sandboxes by starting one.</summary>
    public SandboxReport Sandbox { get; init; } = new(Works: false, "the launcher said nothing of it", []);
}

/// <param name="Works">Workers can be sandboxed.</param>
/// <param name="Reason">Why they cannot, a clause with what mends it; null when they can.</param>
/// <param name="Missing">Sentences: what a sandbox of this server does not do here.</param>
public sealed record SandboxReport(bool Works, string? Reason, ImmutableArray<string> Missing);

/// <summary>The worker's process is there. Of a sandboxed worker said twice: first of the sandbox's own process, then, before the worker says hello, of the worker.</summary>
/// <param name="ProcessId">As this machine numbers it.</param>
public sealed record WorkerSpawned(long Worker, int ProcessId) : LauncherEvent;

/// <summary>The worker sent a message on its control socket.</summary>
public sealed record WorkerSaid(long Worker, WorkerMessage Message) : LauncherEvent;

/// <summary>A line of standard output or error, cut at 4 KiB.</summary>
public sealed record WorkerWrote(long Worker, string Line) : LauncherEvent;

/// <summary>The process is reaped and nothing of it is left (socket, cgroup).</summary>
/// <param name="ExitCode">Null when a signal ended it.</param>
/// <param name="OutOfMemory">The kernel killed it for its memory limit.</param>
public sealed record WorkerExited(long Worker, int? ExitCode, int? Signal, bool OutOfMemory, long PeakMemoryBytes, long CpuMicroseconds) : LauncherEvent
{
    /// <summary>Why the launcher ended it, or could not start it, in plain words without paths; null when it ended by itself or on command.</summary>
    public string? Error { get; init; }

    /// <summary>Times that it was refused a process or thread for their limit.</summary>
    public long ProcessesRefused { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LauncherCommand))]
[JsonSerializable(typeof(LauncherEvent))]
public sealed partial class LauncherJson : JsonSerializerContext;
