using System.Collections.Immutable;

namespace Dormouse.Core.Environments;

/// <summary>Knows the machine's interpreters and builds environments with them, each in a process of its own under limits.</summary>
public interface IEnvironmentBuilder
{
    /// <summary>The interpreter of a minor version; null = the server's own. Asked once, then known.</summary>
    Task<InterpreterAnswer> FindAsync(string? python, CancellationToken cancellationToken);

    /// <summary>Minor versions of interpreters that there seem to be beside the server's own, with their paths; looks at names only.</summary>
    ImmutableSortedDictionary<string, string> Others();

    /// <summary>Builds. Never throws for requirements that cannot be had: that is <see cref="BuildOutcome.Failed"/>.</summary>
    /// <param name="line">Takes each line that the build writes, in order, on any thread.</param>
    Task<BuildOutcome> BuildAsync(EnvironmentBuild build, Action<string> line, CancellationToken cancellationToken);

    /// <summary>Environments that revisions with traffic use: workers of others are kept ready no longer.</summary>
    void KeepReady(ImmutableHashSet<EnvironmentId> environments);
}

/// <summary>An interpreter, or why there is none.</summary>
public abstract record InterpreterAnswer
{
    private InterpreterAnswer()
    {
    }

    /// <param name="Version">Minor version, such as "3.11".</param>
    public sealed record Found(string Path, string Version) : InterpreterAnswer;

    /// <param name="Reason">A sentence that names those that there are.</param>
    public sealed record Missing(string Reason) : InterpreterAnswer;
}

public sealed record EnvironmentBuild
{
    /// <summary>Where it is made and stays: an empty folder but for <c>requirements.txt</c> and perhaps <c>constraints.txt</c>.</summary>
    public required string Folder { get; init; }

    /// <summary>Folder of the package's files: paths in requirements are relative to it.</summary>
    public required string PackageFolder { get; init; }

    /// <summary>Minor version of the interpreter; null = the server's own.</summary>
    public required string? Python { get; init; }

    public required bool SystemPackages { get; init; }
}

public abstract record BuildOutcome
{
    private BuildOutcome()
    {
    }

    /// <param name="Python">Full version of its interpreter.</param>
    /// <param name="Builder">What built it, such as "pip 23.2.1".</param>
    /// <param name="Packages">What is in it, as "name==version".</param>
    public sealed record Built(string Python, string Builder, ImmutableArray<string> Packages, long SizeBytes) : BuildOutcome;

    /// <param name="IsFault">The build itself could not run (no worker, server stopping); says nothing of the requirements.</param>
    public sealed record Failed(string Reason, bool IsFault) : BuildOutcome;
}
