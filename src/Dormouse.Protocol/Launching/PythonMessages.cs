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
}

/// <summary>Import the file once, say which functions it has, and exit.</summary>
public sealed record InspectPythonAssignment : WorkerAssignment
{
    public required int FolderDescriptor { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Module { get; init; }

    public ImmutableSortedDictionary<string, string> Environment { get; set; } = ImmutableSortedDictionary<string, string>.Empty;
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

/// <summary>Imported and entered: the first request may come.</summary>
/// <param name="LoadMicroseconds">Import and enter.</param>
public sealed record PythonReady(long LoadMicroseconds, PythonSchema? Schema = null) : WorkerMessage;

/// <summary>Launcher → template, with the descriptors of the fork's control socket and output, and of the files that it writes "0" to before anything else.</summary>
/// <param name="Worker">Number of the fork.</param>
/// <param name="Socket">Where it serves.</param>
public sealed record ForkOrder(long Worker, string Socket);

/// <summary>Loaded, and a fork of it lives: the first order may come.</summary>
/// <param name="LoadMicroseconds">Import and what else is shared.</param>
public sealed record PythonTemplate(long LoadMicroseconds) : WorkerMessage;

/// <summary>A fork's first message, on its own control socket: its process is the sender's.</summary>
public sealed record WorkerForked : WorkerMessage;

/// <summary>How a fork ended, said by its template.</summary>
/// <param name="ExitCode">Null when a signal ended it.</param>
public sealed record ForkEnded(long Worker, int? ExitCode, int? Signal, long PeakMemoryBytes, long CpuMicroseconds) : WorkerMessage;

/// <param name="Module">The file that was found or named.</param>
/// <param name="App">Name that the app gives itself; null = it has none.</param>
/// <param name="LoadMicroseconds">Import.</param>
public sealed record PythonInspected(string Module, ImmutableArray<PythonFunction> Functions, long LoadMicroseconds, string? App = null) : WorkerMessage;

/// <param name="Module">The file that was found or named.</param>
public sealed record PythonScanned(string Module, ImmutableArray<ScannedFunction> Functions) : WorkerMessage;

/// <summary>A decorated function, or a class, with what its decorator says of the environment.</summary>
/// <param name="Settings">Of pip, requirements, python and system_packages those that are set; an object.</param>
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
