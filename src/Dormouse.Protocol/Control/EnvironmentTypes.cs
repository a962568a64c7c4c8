using System.Collections.Immutable;

namespace Dormouse.Protocol.Control;

public sealed record EnvironmentList(ImmutableArray<EnvironmentInfo> Environments);

/// <summary>A Python environment: an interpreter with packages, built once and shared by all revisions that ask for the same.</summary>
public sealed record EnvironmentInfo
{
    /// <summary>32 hexadecimal digits, made of what it holds.</summary>
    public required string Id { get; init; }

    /// <summary>"building", "ready" or "failed" (its build; it is not there).</summary>
    public required string State { get; init; }

    /// <summary>Version of its interpreter.</summary>
    public required string Python { get; init; }

    /// <summary>The interpreter's own packages are seen.</summary>
    public bool SystemPackages { get; init; }

    /// <summary>What was to be installed, as lines of a requirements file.</summary>
    public ImmutableArray<string> Requirements { get; set; } = [];

    /// <summary>What is in it, as "name==version".</summary>
    public ImmutableArray<string> Packages { get; set; } = [];

    /// <summary>Such as "pip 23.2.1"; null while it is not ready.</summary>
    public string? Builder { get; init; }

    public long SizeBytes { get; init; }

    public DateTimeOffset? BuiltAt { get; init; }

    public double? BuildSeconds { get; init; }

    /// <summary>Revisions of the tenant, such as "shop r3".</summary>
    public ImmutableArray<string> UsedBy { get; set; } = [];

    /// <summary>Why the build failed, with its last lines.</summary>
    public string? Failure { get; init; }

    /// <summary>Lines of the build from the asked-for one on; only where one environment is asked for.</summary>
    public ImmutableArray<string> Log { get; set; } = [];

    /// <summary>What to ask with as <c>after</c> next.</summary>
    public int Next { get; init; }
}
