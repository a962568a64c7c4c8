using System.Collections.Immutable;

namespace Dormouse.Cli.Deploy;

/// <summary>What SOURCE turned out to be.</summary>
/// <param name="Name">From the file or folder, for an endpoint without <c>--name</c>; as it is, not yet a DNS label.</param>
/// <param name="Versions">In ascending order; each becomes a revision. One, except for a Triton model folder.</param>
/// <param name="Hints">Sentences for the person who deploys.</param>
internal sealed record PackageSource(string Name, ImmutableArray<SourceVersion> Versions, ImmutableArray<string> Hints)
{
    /// <summary>Python code, and which file of it was named; null = a model.</summary>
    public PythonSource? Python { get; init; }

    /// <summary>The definition of a pipeline.</summary>
    public bool IsPipeline { get; init; }
}

/// <param name="Module">Path in the package of the file that was named; null = the runner looks for one of the usual names.</param>
internal sealed record PythonSource(string? Module);

/// <param name="Version">Number of the Triton folder, or null.</param>
/// <param name="Files">At least one; package paths are unique.</param>
internal sealed record SourceVersion(long? Version, ImmutableArray<SourceFile> Files);

/// <param name="Path">Path in the package, with '/'.</param>
/// <param name="LocalPath">Where it lies.</param>
internal sealed record SourceFile(string Path, string LocalPath);
