using System.Collections.Immutable;
using Dormouse.Core.Overflow;

namespace Dormouse.Core.Endpoints;

/// <summary>What a user asked for, before defaults: null = the default. Texts are as typed ("60s", "512MiB"). See <see cref="RevisionSpec"/> for meanings.</summary>
public sealed record RevisionWishes
{
    public string? Runtime { get; init; }

    /// <summary>In the form of <see cref="PythonHandler"/>.</summary>
    public string? Handler { get; init; }

    /// <summary>Minor version such as "3.11".</summary>
    public string? Python { get; init; }

    /// <summary>Requirements, one each.</summary>
    public ImmutableArray<string>? Pip { get; init; }

    /// <summary>Path of a requirements file of the package, or "none".</summary>
    public string? Requirements { get; init; }

    public bool? SystemPackages { get; init; }

    /// <summary>"process", "sandbox" or "container".</summary>
    public string? Isolation { get; init; }

    /// <summary>"none" or "outbound".</summary>
    public string? Network { get; init; }

    /// <summary>A size; rounded up to whole MiB.</summary>
    public string? Memory { get; init; }

    public double? Cpu { get; init; }

    public double? ReserveCpu { get; init; }

    public int? Concurrency { get; init; }

    /// <summary>Concurrency is to be found from run times; then <see cref="Concurrency"/> is null.</summary>
    public bool IsConcurrencyAuto { get; init; }

    /// <summary>An instance has no limit; then <see cref="Concurrency"/> is null.</summary>
    public bool IsConcurrencyUnlimited { get; init; }

    public double? TargetConcurrency { get; init; }

    public int? BatchMax { get; init; }

    public string? BatchDelay { get; init; }

    public int? MinInstances { get; init; }

    public int? Provisioned { get; init; }

    public int? SpareInstances { get; init; }

    public double? TargetUtilization { get; init; }

    public string? ScaleDownDelay { get; init; }

    public double? TargetRps { get; init; }

    public string? StableWindow { get; init; }

    public string? PanicWindow { get; init; }

    public double? PanicThreshold { get; init; }

    public double? MaxScaleUpRate { get; init; }

    public double? MaxScaleDownRate { get; init; }

    public int? InitialInstances { get; init; }

    public int? ActivationInstances { get; init; }

    public string? ScaleToZeroGrace { get; init; }

    /// <summary>Each as <see cref="ScheduledFloor.Form"/>.</summary>
    public ImmutableArray<string>? Floors { get; init; }

    public int? MaxInstances { get; init; }

    public string? IdleTimeout { get; init; }

    public string? FrozenFor { get; init; }

    /// <summary>"learned" or "fixed".</summary>
    public string? KeepAlive { get; init; }

    public string? Timeout { get; init; }

    public string? StartTimeout { get; init; }

    public string? QueueTimeout { get; init; }

    public int? QueueLimit { get; init; }

    /// <summary>A size.</summary>
    public string? QueueLimitBytes { get; init; }

    public int? AsyncConcurrency { get; init; }

    public double? AsyncRate { get; init; }

    public ImmutableSortedDictionary<string, string>? Environment { get; init; }

    /// <summary>Variable → name of a secret.</summary>
    public ImmutableSortedDictionary<string, string>? Secrets { get; init; }

    /// <summary>Name of a file → name of a secret.</summary>
    public ImmutableSortedDictionary<string, string>? SecretFiles { get; init; }

    public ImmutableSortedDictionary<string, string>? Engine { get; init; }

    public OverflowWishes? Overflow { get; init; }

    /// <summary>What the package of a pipeline holds: its definition as JSON (<see cref="Pipelines.PipelineReader"/>).</summary>
    public string? Pipeline { get; init; }

    /// <summary>Canonical JSON, already checked by whoever knows signatures.</summary>
    public string? Signature { get; init; }
}

/// <summary>What the rules need to know of the machine.</summary>
/// <param name="Cores">At least 1.</param>
/// <param name="MemoryMib">Memory that instances may have together, MiB.</param>
public readonly record struct MachineFacts(int Cores, int MemoryMib)
{
    private readonly double? _reservable;

    /// <summary>Cores that may be reserved for all instances together; those of the machine unless something else is set.</summary>
    public double ReservableCores
    {
        get => _reservable ?? Cores;
        init => _reservable = value;
    }
}

/// <summary>One setting that is not allowed.</summary>
/// <param name="Setting">Its name in the API and in <c>dormouse.yaml</c>, e.g. <c>max_instances</c>.</param>
/// <param name="Value">The value seen, as text.</param>
/// <param name="Message">A sentence with name, value and what is allowed.</param>
public readonly record struct SpecError(string Setting, string Value, string Message);

/// <summary>Wishes judged: a whole spec, or every error at once.</summary>
public abstract record SpecOutcome
{
    private SpecOutcome()
    {
    }

    public sealed record Accepted(RevisionSpec Spec) : SpecOutcome;

    /// <param name="Errors">At least one, in the order of <see cref="RevisionWishes"/>.</param>
    public sealed record Refused(ImmutableArray<SpecError> Errors) : SpecOutcome;
}
