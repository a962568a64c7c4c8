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

    /// <summary>As <see cref="SpawnWorker.SocketPath"/>; a place where the template can make sockets.</summary>
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
}

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
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LauncherCommand))]
[JsonSerializable(typeof(LauncherEvent))]
public sealed partial class LauncherJson : JsonSerializerContext;
