using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dormouse.Protocol.Launching;

// What the runner of Python functions (python/dormouse) is told and says; docs/spec/worker-protocol.md has the words. Its other messages are those of every worker.

/// <summary>Become an instance: import the function's file, run what must run before the first call, and serve the function.</summary>
public sealed record ServePythonAssignment : PythonAssignment;

/// <summary>Become a template: load as for <see cref="ServePythonAssignment"/>, but only what forks may share, and fork on command (<see cref="ForkOrder"/>) instead of serving.</summary>
public sealed record TemplatePythonAssignment : PythonAssignment;

/// <summary>Which function is served, and how.</summary>
public abstract record PythonAssignment : WorkerAssignment
{
    /// <summary>Descriptor index of the package's folder, opened for reading.</summary>
    public required int FolderDescriptor { get; init; }

    /// <summary>Path of the file in the package; null = look for it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Module { get; init; }

    /// <summary>Name of the function; null = the only one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Function { get; init; }

    /// <summary>Runs at once; the runner itself refuses more (503) as a guard.</summary>
    public int Concurrency { get; set; } = 1;

    /// <summary>The instance's memory limit, MiB: a body may have a quarter of it.</summary>
    public int MemoryMib { get; set; } = 512;

    /// <summary>Environment entries of the user, set before the file is imported.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; set; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Null = it gets none.</summary>
    public AssignedSecrets? Secrets { get; set; }

    /// <summary>The first call is kept, so that a snapshot can be asked the same.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Record { get; set; }
}

/// <summary>Values of secrets, which travel in no other way than this.</summary>
public sealed record AssignedSecrets
{
    /// <summary>Where the runner writes the files, a folder that it makes when it is not there; null = there are none.</summary>
    public string? Folder { get; set; }

    /// <summary>Variable → value, base64.</summary>
    public ImmutableSortedDictionary<string, string> Variables { get; set; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Name of a file → content, base64.</summary>
    public ImmutableSortedDictionary<string, string> Files { get; set; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Never a value.</summary>
    public override string ToString() => nameof(AssignedSecrets);
}

/// <summary>Import the file once, say which functions it has, and exit.</summary>
public sealed record InspectPythonAssignment : WorkerAssignment
{
    public required int FolderDescriptor { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Module { get; init; }

    public ImmutableSortedDictionary<string, string> Environment { get; set; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Null = it gets none.</summary>
    public AssignedSecrets? Secrets { get; set; }
}

/// <summary>Read the file without importing it, say which environments its functions ask for, and exit.</summary>
public sealed record ScanPythonAssignment : WorkerAssignment
{
    public required int FolderDescriptor { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Module { get; init; }
}

/// <summary>Build an environment of this worker's interpreter, say what is in it, and exit. What is to be installed stands in the target's <c>requirements.txt</c> and <c>constraints.txt</c>.</summary>
public sealed record BuildEnvironmentAssignment : WorkerAssignment
{
    /// <summary>Descriptor index of the package's folder: paths in requirements are relative to it.</summary>
    public required int FolderDescriptor { get; init; }

    /// <summary>Path of the folder in which the environment is made, as <c>venv</c>, and stays.</summary>
    public required string Target { get; init; }

    public bool SystemPackages { get; init; }

    /// <summary>"auto", "uv" or "pip".</summary>
    public required string Builder { get; init; }

    /// <summary>Path of uv, or a name to look for in PATH.</summary>
    public required string Uv { get; init; }

    /// <summary>Further arguments of the installing command.</summary>
    public ImmutableArray<string> Arguments { get; set; } = [];
}

/// <summary>Become the carrier of a template that is restored beside this worker: hand over to it, and end with it.</summary>
public sealed record RestorePythonAssignment : WorkerAssignment
{
    /// <summary>Descriptor index of the package's folder, which is shown where the snapshot had it.</summary>
    public required int FolderDescriptor { get; init; }

    /// <summary>Its number in the sandbox.</summary>
    public required int Process { get; init; }

    /// <summary>It says whether it is as good as before (<see cref="SnapshotVerified"/>) and ends, instead of forking on command.</summary>
    public bool Verify { get; init; }
}

/// <summary>Imported and entered: the first request may come.</summary>
/// <param name="LoadMicroseconds">Import and enter.</param>
/// <param name="Ends">It has something to do before it ends: exit hooks, or the shut-down of an application.</param>
public sealed record PythonReady(long LoadMicroseconds, PythonSchema? Schema = null, bool Ends = false) : WorkerMessage;

/// <summary>Launcher → template, with the descriptors of the fork's control socket, its output and the listening socket that it serves on, and of the files that it writes "0" to before anything else.</summary>
/// <param name="Worker">Number of the fork.</param>
/// <param name="Waits">It is made ahead: it says <see cref="ForkWaits"/> and waits for <see cref="ServeForkAssignment"/> before anything of the user's runs in it.</param>
/// <param name="Apart">It can be kept apart from its siblings: it says <see cref="WorkerApart"/> after <see cref="WorkerForked"/>, and waits for <see cref="ForkSettled"/>.</param>
public sealed record ForkOrder(long Worker, bool Waits = false, bool Apart = false);

/// <summary>A fork has namespaces of its own, which the launcher lets it make once.</summary>
/// <param name="Problem">Why it has none, a clause; null when it has.</param>
public sealed record WorkerApart(string? Problem = null) : WorkerMessage;

/// <summary>Launcher → fork, on its control socket, after <see cref="WorkerApart"/>: its temporary files are its own, and it may go on.</summary>
/// <param name="OwnUser">It can become a user of its own.</param>
public sealed record ForkSettled(bool OwnUser);

/// <summary>Loaded, and a fork of it lives: the first order may come.</summary>
/// <param name="LoadMicroseconds">Import and what else is shared.</param>
public sealed record PythonTemplate(long LoadMicroseconds) : WorkerMessage;

/// <summary>Launcher → template: "take_snapshot", answered by <see cref="SnapshotWaits"/> or <see cref="SnapshotRefused"/>, and "end_snapshot"; launcher → carrier: "restored".</summary>
/// <param name="Record">See <see cref="TakeSnapshot.Record"/>.</param>
public sealed record SnapshotOrder(string Type, JsonElement? Record = null);

/// <summary>The first call of an instance and its answer, told once when <see cref="PythonAssignment.Record"/> asks for it.</summary>
/// <param name="Record">For the runner alone.</param>
public sealed record FirstCall(JsonElement Record) : WorkerMessage;

/// <summary>A fork of the template waits to be written down.</summary>
/// <param name="Process">Its number in the sandbox.</param>
public sealed record SnapshotWaits(int Process) : WorkerMessage;

/// <summary>What is loaded cannot be written down.</summary>
/// <param name="Reason">A sentence for people.</param>
public sealed record SnapshotRefused(string Reason) : WorkerMessage;

/// <summary>A restored template passed its checks; else it says <see cref="WorkerRefused"/>.</summary>
/// <param name="Compared">"answer": it answers a call as before; "status": its answers are never the same; "none": no call could be repeated.</param>
public sealed record SnapshotVerified(string Compared) : WorkerMessage;

/// <summary>A fork's first message, on its own control socket: its process is the sender's.</summary>
public sealed record WorkerForked : WorkerMessage;

/// <summary>A fork that was made ahead is ready to become an instance.</summary>
public sealed record ForkWaits : WorkerMessage;

/// <summary>Become the instance: for a fork that was made ahead.</summary>
public sealed record ServeForkAssignment : WorkerAssignment;

/// <summary>How a fork ended, said by its template.</summary>
/// <param name="ExitCode">Null when a signal ended it.</param>
public sealed record ForkEnded(long Worker, int? ExitCode, int? Signal, long PeakMemoryBytes, long CpuMicroseconds) : WorkerMessage;

/// <param name="Module">The file that was found or named.</param>
/// <param name="App">Name that the app gives itself; null = it has none.</param>
/// <param name="LoadMicroseconds">Import.</param>
public sealed record PythonInspected(string Module, ImmutableArray<PythonFunction> Functions, long LoadMicroseconds, string? App = null) : WorkerMessage;

/// <param name="Module">The file that was found or named.</param>
public sealed record PythonScanned(string Module, ImmutableArray<ScannedFunction> Functions) : WorkerMessage;

/// <summary>A decorated function, or a class, with what its decorator says of what it is imported with.</summary>
/// <param name="Settings">Of pip, requirements, python, system_packages, secrets, secret_files, isolation and network those that are set; an object.</param>
public sealed record ScannedFunction(string Name, JsonElement Settings);

/// <param name="Python">Full version of the interpreter.</param>
/// <param name="Builder">Such as "pip 23.2.1".</param>
/// <param name="Packages">As "name==version".</param>
/// <param name="LoadMicroseconds">Time of the build.</param>
public sealed record EnvironmentBuilt(string Python, string Builder, ImmutableArray<string> Packages, long SizeBytes, long LoadMicroseconds) : WorkerMessage;

/// <summary>A function that may become an endpoint.</summary>
public sealed record PythonFunction
{
    public required string Name { get; init; }

    /// <summary>"function", "method", "web", "asgi", "handle", "huggingface", "cog".</summary>
    public required string Kind { get; init; }

    /// <summary>What its decorator set, an object, by the names of <c>dormouse.yaml</c>; null = nothing.</summary>
    public JsonElement? Settings { get; init; }

    public PythonSchema? Schema { get; init; }

    /// <summary>It answers with a stream of values.</summary>
    public bool Stream { get; init; }

    /// <summary>First line of its documentation.</summary>
    public string? Doc { get; init; }
}

/// <summary>JSON Schemas of what a function takes and gives; null = anything.</summary>
public sealed record PythonSchema(JsonElement? Input = null, JsonElement? Output = null);
