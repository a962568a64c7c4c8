using System.Collections.Immutable;
using System.Net;
using Dormouse.Core.Endpoints;

namespace Dormouse.Drivers;

/// <summary>How the process driver starts workers on this machine.</summary>
public sealed record ProcessDriverOptions
{
    /// <summary>The launcher: an executable, or a <c>.dll</c> that is started with <c>dotnet</c>.</summary>
    public required string LauncherPath { get; init; }

    /// <summary>The ONNX worker: an executable, or a <c>.dll</c> that is started with <c>dotnet</c>.</summary>
    public required string WorkerPath { get; init; }

    /// <summary>Folder of the sockets, see <see cref="Drivers.RunFolder"/>. Only one driver may use it at a time.</summary>
    public required string RunFolder { get; init; }

    /// <summary>Name of our folder in each cgroup hierarchy, unique per data folder: what is in it at start is swept away. No '/'.</summary>
    public required string CgroupName { get; init; }

    /// <summary>How instances are isolated whose revisions say nothing of it. Null = in a sandbox where that works, else as processes.</summary>
    public IsolationLevel? Isolation { get; init; }

    /// <summary>Size of a sandbox's <c>/tmp</c> and of its <c>/dev/shm</c>, bytes each. Default 256 MiB.</summary>
    public long ScratchBytes { get; init; } = 256L << 20;

    /// <summary>IPv4 networks that are not of the public internet and that sandboxed instances with a way to the network may reach all the same. Default none.</summary>
    public ImmutableArray<IPNetwork> AllowNetworks { get; init; } = [];

    /// <summary>Generic workers kept ready. Default 2, 0 to 100; 0 = every start waits for a process of its own.</summary>
    public int PoolSize { get; init; } = 2;

    /// <summary>Memory limit of a generic worker until it becomes an instance, bytes. Default 512 MiB.</summary>
    public long PoolMemoryBytes { get; init; } = 512L << 20;

    /// <summary>Threads and processes of one worker together. Default 512.</summary>
    public int ProcessesMax { get; init; } = 512;

    /// <summary>Worker processes that start at once, at least 1. Default 2.</summary>
    public int SpawnsAtOnceMax { get; init; } = 2;

    /// <summary>Inspections that run at once, at least 1; more wait. Default 2.</summary>
    public int InspectionsAtOnceMax { get; init; } = 2;

    /// <summary>The Python interpreter: a path, or a name to look for in PATH; null = there are no Python workers.</summary>
    public string? PythonCommand { get; init; }

    /// <summary>Folder that holds our package <c>dormouse</c> for Python; null = there are no Python workers.</summary>
    public string? PythonPackagePath { get; init; }

    /// <summary>Memory that all templates of Python revisions together may take, bytes; 0 = there are none and every instance is started plainly. Default 0.</summary>
    public long TemplatesMemoryBytes { get; init; }

    /// <summary>Loads shorter than this are not worth a template: a fork takes some milliseconds too. Default 25 ms.</summary>
    public TimeSpan TemplateLoadTimeMin { get; init; } = TimeSpan.FromMilliseconds(25);

    /// <summary>A template that nobody was forked from for this long, and whose forks have all ended, ends. Default 15 minutes.</summary>
    public TimeSpan TemplateIdleTime { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Forks of each template that are kept ready to become instances. Default 1, 0 to 16; 0 = a start waits for its fork.</summary>
    public int SpareForks { get; init; } = 1;

    /// <summary>Folder of the snapshots of templates; null = none are taken.</summary>
    public string? SnapshotsFolder { get; init; }

    /// <summary>What all snapshots may take on disk, bytes; 0 = none are taken. Default 0.</summary>
    public long SnapshotBytesMax { get; init; }

    /// <summary>CRIU: a program below /usr, or the folder of a system of its own that has it; null = this machine's, if it has one.</summary>
    public string? Criu { get; init; }

    /// <summary>A template is written down when it has not been used for this long. Default 10 s.</summary>
    public TimeSpan SnapshotDelay { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Loads shorter than this are not worth a snapshot: a restore takes about 100 ms too. Default 200 ms.</summary>
    public TimeSpan SnapshotLoadTimeMin { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Further interpreters, paths or names: they count beside those of PATH.</summary>
    public ImmutableArray<string> PythonInterpreters { get; init; } = [];

    /// <summary>Folder of the environments, one folder each; null = there are none.</summary>
    public string? EnvironmentsFolder { get; init; }

    /// <summary>How environments are built.</summary>
    public EnvironmentBuildOptions Builds { get; init; } = new();

    /// <summary>Added to the environment of every ONNX worker process.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; init; } = ImmutableSortedDictionary<string, string>.Empty;
}

/// <summary>How environments are built, and within which limits.</summary>
public sealed record EnvironmentBuildOptions
{
    /// <summary>"auto" (uv when there is one), "uv" or "pip".</summary>
    public string Builder { get; init; } = "auto";

    /// <summary>Path of uv, or a name to look for in PATH.</summary>
    public string Uv { get; init; } = "uv";

    /// <summary>Added to every installing command.</summary>
    public ImmutableArray<string> Arguments { get; init; } = [];

    /// <summary>Memory of one build, bytes. Default 2 GiB.</summary>
    public long MemoryBytes { get; init; } = 2L << 30;

    /// <summary>Longest build. Default 15 min.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Builds that run at once, at least 1; more wait. Default 1.</summary>
    public int AtOnceMax { get; init; } = 1;
}
