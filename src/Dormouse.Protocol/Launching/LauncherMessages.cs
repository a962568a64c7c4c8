using System.Collections.Immutable;
using System.Text.Json;
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
[JsonDerivedType(typeof(EndWorker), "end")]
[JsonDerivedType(typeof(FreezeWorker), "freeze")]
[JsonDerivedType(typeof(ThawWorker), "thaw")]
[JsonDerivedType(typeof(TakeSnapshot), "take_snapshot")]
[JsonDerivedType(typeof(RestoreSnapshot), "restore_snapshot")]
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

    /// <summary>Where a sandboxed worker keeps secrets that are files: memory of its own.</summary>
    public const string SecretsPath = "/run/secrets";

    /// <summary>Folders that it sees read-only at their own absolute paths: its program, its interpreter, its libraries.</summary>
    public required ImmutableArray<string> ReadOnlyFolders { get; init; }

    /// <summary>Size of <c>/tmp</c> and of <c>/dev/shm</c>, bytes each; what is in them counts as the worker's memory.</summary>
    public required long ScratchBytes { get; init; }

    /// <summary>It is a container, made by an OCI runtime.</summary>
    public bool Container { get; init; }

    /// <summary>Forks of it may become instances: its filter of system calls lets the launcher say which of them may leave their siblings.</summary>
    public bool Forks { get; init; }

    /// <summary>Its way to the network; null = none, it has a loopback interface of its own and nothing else.</summary>
    public SandboxNetwork? Network { get; init; }
}

/// <summary>The way out of a sandbox's own network to addresses of the public internet, never to those of this machine (docs/spec/sandbox.md).</summary>
/// <param name="AllowNetworks">IPv4 networks that are not of the public internet and may be reached all the same, such as "10.1.0.0/16".</param>
public sealed record SandboxNetwork(ImmutableArray<string> AllowNetworks);

/// <summary>Makes a generic worker an instance: the launcher sets the limits, opens the files and passes the descriptors with the assignment.</summary>
public sealed record AssignWorker : LauncherCommand
{
    public required WorkerLimits Limits { get; init; }

    /// <summary>Files or folders to open; the n-th descriptor that the worker receives is the n-th entry.</summary>
    public required ImmutableArray<DescriptorSource> Descriptors { get; init; }

    public required WorkerAssignment Assignment { get; init; }
}

/// <summary>Starts a worker as a fork of a template, which is a worker that said <see cref="PythonTemplate"/>: own cgroup, control socket and output; it serves without an assignment, unless it is made ahead.</summary>
public sealed record ForkWorker : LauncherCommand
{
    /// <summary>Number of the template. When it ends its forks end with it.</summary>
    public required long Template { get; init; }

    /// <summary>As <see cref="SpawnWorker.SocketPath"/>; the launcher makes it.</summary>
    public required string SocketPath { get; init; }

    public required WorkerLimits Limits { get; init; }

    /// <summary>Made ahead of the instance that it is to become: it waits for a <see cref="ServeForkAssignment"/>.</summary>
    public bool Waits { get; init; }
}

public sealed record KillWorker : LauncherCommand;

/// <summary>Has the worker end by itself (SIGTERM), for what it does then; it is killed when that takes too long.</summary>
public sealed record EndWorker : LauncherCommand;

/// <summary>Lets the worker and all that it started stand still; it keeps its memory. Answered only by <see cref="WorkerFreezeRefused"/>.</summary>
public sealed record FreezeWorker : LauncherCommand;

/// <summary>Lets it go on: answered by <see cref="WorkerThawed"/>, or by its end.</summary>
public sealed record ThawWorker : LauncherCommand;

/// <summary>Writes down what a sandboxed template has loaded; the template goes on. Answered by <see cref="SnapshotEnded"/>, or by its end.</summary>
public sealed record TakeSnapshot : LauncherCommand
{
    /// <summary>An empty folder, absolute path.</summary>
    public required string Folder { get; init; }

    /// <summary>A call and its answer, as an instance told it (<see cref="FirstCall"/>), to be repeated when the snapshot is verified; null = what a fork of the template has kept, if one has.</summary>
    public JsonElement? Record { get; init; }

    public required CriuProgram Criu { get; init; }
}

/// <summary>Makes of a generic sandboxed worker, which was assigned <see cref="RestorePythonAssignment"/> before, the template that was written down. When that fails <see cref="SnapshotEnded"/> says why, and the worker is ended.</summary>
public sealed record RestoreSnapshot : LauncherCommand
{
    public required string Folder { get; init; }

    /// <summary>The number that <see cref="SnapshotEnded.Process"/> told.</summary>
    public required int Process { get; init; }

    public required CriuProgram Criu { get; init; }
}

/// <summary>Where CRIU is.</summary>
/// <param name="Root">Folder of a system of its own, whose loader and libraries it is run with; null = it is one of this machine's programs.</param>
/// <param name="Path">Absolute path of the program; below <paramref name="Root"/> where there is one.</param>
public sealed record CriuProgram(string? Root, string Path);

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
[JsonDerivedType(typeof(WorkerThawed), "thawed")]
[JsonDerivedType(typeof(WorkerFreezeRefused), "freeze_refused")]
[JsonDerivedType(typeof(SnapshotEnded), "snapshot_ended")]
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

    /// <summary>What was found out about freezing by doing it.</summary>
    public FreezerReport Freezer { get; init; } = new(Works: false, "the launcher said nothing of it", HasSwap: false);
}

/// <param name="Works">Workers can be frozen.</param>
/// <param name="Reason">Why they cannot, a clause; null when they can.</param>
/// <param name="HasSwap">The memory of a frozen worker is pushed out; without it, it stays.</param>
public sealed record FreezerReport(bool Works, string? Reason, bool HasSwap);

/// <param name="Works">Workers can be sandboxed.</param>
/// <param name="Reason">Why they cannot, a clause with what mends it; null when they can.</param>
/// <param name="Missing">Sentences: what a sandbox of this server does not do here.</param>
public sealed record SandboxReport(bool Works, string? Reason, ImmutableArray<string> Missing)
{
    /// <summary>Why a sandbox cannot have a way to the network (<see cref="SandboxNetwork"/>), a clause with what mends it; null = all that it needs is there, which no sandbox has tried yet.</summary>
    public string? NoNetwork { get; init; }

    /// <summary>Why there are no containers, a clause with what mends it; null = all that they need is there, and none was tried yet.</summary>
    public string? NoContainer { get; init; }
}

/// <summary>The worker's process is there. Of a sandboxed worker said twice: first of the sandbox's own process, then, before the worker says hello, of the worker.</summary>
/// <param name="ProcessId">As this machine numbers it.</param>
public sealed record WorkerSpawned(long Worker, int ProcessId) : LauncherEvent;

/// <summary>The worker sent a message on its control socket.</summary>
public sealed record WorkerSaid(long Worker, WorkerMessage Message) : LauncherEvent;

/// <summary>It goes on.</summary>
public sealed record WorkerThawed(long Worker) : LauncherEvent;

/// <summary>It cannot be frozen and goes on.</summary>
/// <param name="Reason">A clause for people.</param>
public sealed record WorkerFreezeRefused(long Worker, string Reason) : LauncherEvent;

/// <summary>A snapshot is written, or it is not, or one is not restored.</summary>
/// <param name="Process">Number of the process in it; 0 when there is a problem.</param>
/// <param name="Problem">Why it did not work, a sentence; null when it did.</param>
public sealed record SnapshotEnded(long Worker, int Process, string? Problem) : LauncherEvent;

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
