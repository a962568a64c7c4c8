using System.Collections.Immutable;

namespace Dormouse.Launcher.Workers;

/// <summary>A program to be started as a worker.</summary>
internal sealed record WorkerStart
{
    /// <summary>The server's number of the worker.</summary>
    public long Number { get; init; }

    /// <summary>Files that the child writes "0" to before it runs the program.</summary>
    public ImmutableArray<string> Places { get; init; } = [];

    /// <summary>Executable and arguments.</summary>
    public required ImmutableArray<string> Command { get; init; }

    /// <summary>Its whole environment.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Socket that the launcher makes for it; null = it makes its own.</summary>
    public string? SocketPath { get; init; }

    /// <summary>Becomes descriptor 3; -1 = none.</summary>
    public int Control { get; init; } = -1;

    /// <summary>Becomes descriptors 1 and 2.</summary>
    public required int Output { get; init; }
}
