using System.Collections.Immutable;
using Dormouse.Core.Packages;
using Dormouse.Core.Rollouts;

namespace Dormouse.Core.Endpoints;

/// <summary>The named, addressable thing a caller invokes. Its name is unique within its tenant.</summary>
public sealed record Endpoint
{
    public required TenantId Tenant { get; init; }

    public required EndpointId Id { get; init; }

    public required string Name { get; init; }

    /// <summary>Callers need no key to invoke it.</summary>
    public bool IsPublic { get; init; }

    /// <summary>Set by the protocol's <c>unload</c> until <c>load</c>: invocations get 503 and start nothing.</summary>
    public bool IsUnloaded { get; init; }

    /// <summary>Shares over revision numbers; weights are 1 to 100 and sum to 100. Empty until a first revision is ready.</summary>
    public ImmutableArray<TrafficShare> Traffic { get; init; } = [];

    /// <summary>The traffic before the last change; what <c>rollback</c> returns to. Empty when there was none.</summary>
    public ImmutableArray<TrafficShare> PreviousTraffic { get; init; } = [];

    /// <summary>Names that address one revision each, in order of name (ordinal).</summary>
    public ImmutableArray<RevisionTag> Tags { get; init; } = [];

    /// <summary>Where copies of its invocations go; null = nowhere.</summary>
    public Mirror? Mirror { get; init; }

    /// <summary>The canary that waits or runs, or how the last one ended; null when there was none.</summary>
    public Canary? Canary { get; init; }

    /// <summary>The handover that waits, warms or keeps, or how the last one ended; null when there was none.</summary>
    public Handover? Handover { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <param name="Revision">Revision number.</param>
/// <param name="Weight">Per cent of invocations, 1 to 100.</param>
public readonly record struct TrafficShare(int Revision, int Weight);

/// <summary>Whether a revision may serve.</summary>
public enum RevisionState
{
    /// <summary>Its model is being loaded once in a throw-away worker.</summary>
    Verifying,

    /// <summary>May be given traffic (also when the user skipped verifying).</summary>
    Ready,

    /// <summary>Refused at verifying; <see cref="Revision.Failure"/> says why. Never given traffic.</summary>
    Failed,
}

/// <summary>One immutable deployed version of an endpoint: a package, a runtime and a policy.</summary>
public sealed record Revision
{
    public required RevisionId Id { get; init; }

    public required TenantId Tenant { get; init; }

    public required RevisionState State { get; init; }

    public required Package Package { get; init; }

    public required RevisionSpec Spec { get; init; }

    /// <summary>The model's inputs and outputs as JSON (protocol type <c>ModelInterface</c>), null while nothing has loaded it yet.</summary>
    public string? Interface { get; init; }

    /// <summary>How long its model took to load when that was last measured; null while nothing has loaded it yet.</summary>
    public TimeSpan? LoadTime { get; init; }

    /// <summary>Why it failed verifying, in plain words; null otherwise.</summary>
    public string? Failure { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>What loading a model showed.</summary>
/// <param name="Interface">See <see cref="Revision.Interface"/>.</param>
/// <param name="Time">See <see cref="Revision.LoadTime"/>.</param>
public sealed record ModelLoad(string Interface, TimeSpan Time);
