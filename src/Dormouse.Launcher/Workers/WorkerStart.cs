using System.Collections.Immutable;

namespace Dormouse.Launcher.Workers;

/// <summary>A program to be started as a worker.</summary>
internal sealed record WorkerStart
{
    /// <summary>The server's number of the worker.</summary>
    public long Number { get; init; }

    /// <summary>Name of its folders.</summary>
    public string Name { get; init; } = "";

    /// <summary>Files that the child writes "0" to before it runs the program.</summary>
    public ImmutableArray<string> Places { get; init; } = [];

    /// <summary>Executable and arguments.</summary>
    public required ImmutableArray<string> Command { get; init; }

    /// <summary>Its whole environment.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Socket that the launcher makes for it; null = it makes its own.</summary>
    public string? SocketPath { get; init; }

    /// <summary>It is not killed when the launcher is.</summary>
    public bool OutlivesLauncher { get; init; }

    /// <summary>Becomes descriptor 3; -1 = none.</summary>
    public int Control { get; init; } = -1;

    /// <summary>It keeps what the launcher may do in its own namespaces: a program of ours that works on a sandbox from outside, never a worker.</summary>
    public bool KeepsPowers { get; init; }

    /// <summary>Becomes descriptors 1 and 2.</summary>
    public required int Output { get; init; }
}
