using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Core.Overflow;
using Dormouse.Core.Pipelines;

namespace Dormouse.Storage.Sql;

/// <summary>
/// A spec as it is stored. It mirrors <see cref="RevisionSpec"/> with settable members, because generated JSON code gives a missing init-only member
/// its type's zero and not its default. Unknown members are ignored; a member added later needs a default that means what old revisions did.
/// </summary>
internal sealed class StoredSpec
{
    private static readonly RevisionSpec Defaults = new() { Runtime = "onnx" };

    public int SchemaVersion { get; set; } = RevisionSpec.CurrentSchemaVersion;

    public string Runtime { get; set; } = Defaults.Runtime;

    /// <summary>Null for all specs stored before there were functions.</summary>
    public string? Handler { get; set; }

    public string? Python { get; set; }

    /// <summary>Null = nothing, as for all specs stored before there were environments; so are the members around it.</summary>
    public ImmutableArray<string>? Pip { get; set; }

    public string? Requirements { get; set; }

    public bool? SystemPackages { get; set; }

    public string? PythonEnvironment { get; set; }

    public string? Isolation { get; set; }

    public string? Network { get; set; }

    public int MemoryMib { get; set; } = Defaults.MemoryMib;

    public double Cpu { get; set; } = Defaults.Cpu;

    public double ReserveCpu { get; set; } = Defaults.ReserveCpu;

    public int Concurrency { get; set; } = Defaults.Concurrency;

    /// <summary>Absent = false, as for all specs stored before it was known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsConcurrencyAuto { get; set; }

    public bool IsConcurrencyUnlimited { get; set; }

    public double? TargetConcurrency { get; set; }

    /// <summary>Null = 1, as for all specs stored before there were batches.</summary>
    public int? BatchMax { get; set; }

    public TimeSpan? BatchDelay { get; set; }

    public int Threads { get; set; } = Defaults.Threads;

    public int MinInstances { get; set; } = Defaults.MinInstances;

    public int Provisioned { get; set; } = Defaults.Provisioned;

    public int SpareInstances { get; set; } = Defaults.SpareInstances;

    public double? TargetUtilization { get; set; }

    public TimeSpan ScaleDownDelay { get; set; } = Defaults.ScaleDownDelay;

    public double? TargetRps { get; set; }

    public TimeSpan StableWindow { get; set; } = Defaults.StableWindow;

    public TimeSpan PanicWindow { get; set; } = Defaults.PanicWindow;

    public double PanicThreshold { get; set; } = Defaults.PanicThreshold;

    public double MaxScaleUpRate { get; set; } = Defaults.MaxScaleUpRate;

    public double? MaxScaleDownRate { get; set; }

    public int InitialInstances { get; set; } = Defaults.InitialInstances;

    public int ActivationInstances { get; set; } = Defaults.ActivationInstances;

    public TimeSpan ScaleToZeroGrace { get; set; } = Defaults.ScaleToZeroGrace;

    /// <summary>Each as text; null = none.</summary>
    public ImmutableArray<string>? Floors { get; set; }

    public int MaxInstances { get; set; } = Defaults.MaxInstances;

    public TimeSpan IdleTimeout { get; set; } = Defaults.IdleTimeout;

    public TimeSpan FrozenFor { get; set; } = Defaults.FrozenFor;

    /// <summary>Null = fixed, as for all specs stored before there was a choice.</summary>
    public string? KeepAlive { get; set; }

    public TimeSpan Timeout { get; set; } = Defaults.Timeout;

    public TimeSpan StartTimeout { get; set; } = Defaults.StartTimeout;

    public TimeSpan QueueTimeout { get; set; } = Defaults.QueueTimeout;

    public int QueueLimit { get; set; } = Defaults.QueueLimit;

    public long QueueLimitBytes { get; set; } = Defaults.QueueLimitBytes;

    public int? AsyncConcurrency { get; set; }

    public double? AsyncRate { get; set; }

    public ImmutableSortedDictionary<string, string>? Environment { get; set; }

    /// <summary>Null = none, as for all specs stored before there were secrets.</summary>
    public ImmutableSortedDictionary<string, string>? Secrets { get; set; }

    /// <summary>As <see cref="Secrets"/>.</summary>
    public ImmutableSortedDictionary<string, string>? SecretFiles { get; set; }

    public ImmutableSortedDictionary<string, string>? Engine { get; set; }

    /// <summary>Null = nobody, as for all specs stored before there was a choice.</summary>
    public StoredOverflow? Overflow { get; set; }

    /// <summary>The definition's own text; null = it is no pipeline.</summary>
    public string? Pipeline { get; set; }

    public string? Signature { get; set; }

    public static StoredSpec Of(RevisionSpec spec) => new()
    {
        SchemaVersion = spec.SchemaVersion,
        Runtime = spec.Runtime,
        Handler = spec.Handler,
        Python = spec.Python,
        Pip = spec.Pip.IsEmpty ? null : spec.Pip,
        Requirements = spec.Requirements,
        SystemPackages = spec.SystemPackages,
        PythonEnvironment = spec.PythonEnvironment?.Value,
        Isolation = spec.Isolation is { } isolation ? IsolationLevels.NameOf(isolation) : null,
        Network = spec.Network is { } network ? IsolationLevels.NameOf(network) : null,
        MemoryMib = spec.MemoryMib,
        Cpu = spec.Cpu,
        ReserveCpu = spec.ReserveCpu,
        Concurrency = spec.Concurrency,
        IsConcurrencyAuto = spec.IsConcurrencyAuto,
        IsConcurrencyUnlimited = spec.IsConcurrencyUnlimited,
        TargetConcurrency = spec.TargetConcurrency,
        BatchMax = spec.BatchMax == Defaults.BatchMax ? null : spec.BatchMax,
        BatchDelay = spec.BatchDelay == Defaults.BatchDelay ? null : spec.BatchDelay,
        Threads = spec.Threads,
        MinInstances = spec.MinInstances,
        Provisioned = spec.Provisioned,
        SpareInstances = spec.SpareInstances,
        TargetUtilization = spec.TargetUtilization,
        ScaleDownDelay = spec.ScaleDownDelay,
        TargetRps = spec.TargetRps,
        StableWindow = spec.StableWindow,
        PanicWindow = spec.PanicWindow,
        PanicThreshold = spec.PanicThreshold,
        MaxScaleUpRate = spec.MaxScaleUpRate,
        MaxScaleDownRate = spec.MaxScaleDownRate,
        InitialInstances = spec.InitialInstances,
        ActivationInstances = spec.ActivationInstances,
        ScaleToZeroGrace = spec.ScaleToZeroGrace,
        Floors = spec.Floors.IsEmpty ? null : [.. spec.Floors.Select(f => f.ToString())],
        MaxInstances = spec.MaxInstances,
        IdleTimeout = spec.IdleTimeout,
        FrozenFor = spec.FrozenFor,
        KeepAlive = spec.KeepAlive == KeepAliveMode.Learned ? SpecRules.LearnedKeepAlive : null,
        Timeout = spec.Timeout,
        StartTimeout = spec.StartTimeout,
        QueueTimeout = spec.QueueTimeout,
        QueueLimit = spec.QueueLimit,
        QueueLimitBytes = spec.QueueLimitBytes,
        AsyncConcurrency = spec.AsyncConcurrency,
        AsyncRate = spec.AsyncRate,
        Environment = spec.Environment.IsEmpty ? null : spec.Environment,
        Secrets = spec.Secrets.IsEmpty ? null : spec.Secrets,
        SecretFiles = spec.SecretFiles.IsEmpty ? null : spec.SecretFiles,
        Engine = spec.Engine.IsEmpty ? null : spec.Engine,
        Overflow = spec.Overflow is { } overflow ? new StoredOverflow { Url = overflow.Url, Max = overflow.Max, KeyFile = overflow.KeyFile, KeyEnv = overflow.KeyEnv } : null,
        Pipeline = spec.Pipeline?.Text,
        Signature = spec.Signature,
    };

    public RevisionSpec ToSpec() => new()
    {
        SchemaVersion = SchemaVersion,
        Runtime = Runtime,
        Handler = Handler,
        Python = Python,
        Pip = Pip ?? [],
        Requirements = Requirements,
        SystemPackages = SystemPackages,
        PythonEnvironment = PythonEnvironment is { } environment ? new EnvironmentId(environment) : null,
        Isolation = Isolation is { } isolation ? IsolationLevels.Find(isolation) : null,
        Network = Network switch { IsolationLevels.None => NetworkAccess.None, IsolationLevels.Outbound => NetworkAccess.Outbound, _ => null },
        MemoryMib = MemoryMib,
        Cpu = Cpu,
        ReserveCpu = ReserveCpu,
        Concurrency = Concurrency,
        IsConcurrencyAuto = IsConcurrencyAuto,
        IsConcurrencyUnlimited = IsConcurrencyUnlimited,
        TargetConcurrency = TargetConcurrency,
        BatchMax = BatchMax ?? Defaults.BatchMax,
        BatchDelay = BatchDelay ?? Defaults.BatchDelay,
        Threads = Threads,
        MinInstances = MinInstances,
        Provisioned = Provisioned,
        SpareInstances = SpareInstances,
        TargetUtilization = TargetUtilization,
        ScaleDownDelay = ScaleDownDelay,
        TargetRps = TargetRps,
        StableWindow = StableWindow,
        PanicWindow = PanicWindow,
        PanicThreshold = PanicThreshold,
        MaxScaleUpRate = MaxScaleUpRate,
        MaxScaleDownRate = MaxScaleDownRate,
        InitialInstances = InitialInstances,
        ActivationInstances = ActivationInstances,
        ScaleToZeroGrace = ScaleToZeroGrace,
        Floors = [.. (Floors ?? []).Select(Floor)],
        MaxInstances = MaxInstances,
        IdleTimeout = IdleTimeout,
        FrozenFor = FrozenFor,
        KeepAlive = KeepAlive == SpecRules.LearnedKeepAlive ? KeepAliveMode.Learned : KeepAliveMode.Fixed,
        Timeout = Timeout,
        StartTimeout = StartTimeout,
        QueueTimeout = QueueTimeout,
        QueueLimit = QueueLimit,
        QueueLimitBytes = QueueLimitBytes,
        AsyncConcurrency = AsyncConcurrency,
        AsyncRate = AsyncRate,
        Environment = Environment ?? ImmutableSortedDictionary<string, string>.Empty,
        Secrets = Secrets ?? ImmutableSortedDictionary<string, string>.Empty,
        SecretFiles = SecretFiles ?? ImmutableSortedDictionary<string, string>.Empty,
        Engine = Engine ?? ImmutableSortedDictionary<string, string>.Empty,
        Overflow = Overflow is { } overflow ? new OverflowPolicy(overflow.Url, overflow.Max, overflow.KeyFile, overflow.KeyEnv) : null,
        Pipeline = Pipeline is { } pipeline ? PipelineDefinition.Stored(pipeline) : null,
        Signature = Signature,
    };

    private static ScheduledFloor Floor(string text) =>
        ScheduledFloor.TryParse(text, out var floor) ? floor : throw new InvalidDataException($"'{text}' is no stored floor that this version knows.");
}

/// <summary>An overflow address as it is stored.</summary>
internal sealed class StoredOverflow
{
    public string Url { get; set; } = "";

    public int Max { get; set; } = OverflowRules.MaxByDefault;

    public string? KeyFile { get; set; }

    public string? KeyEnv { get; set; }
}

/// <summary>Specs to JSON and back.</summary>
internal static class SpecJson
{
    public static string Write(RevisionSpec spec) => JsonSerializer.Serialize(StoredSpec.Of(spec), SpecJsonContext.Default.StoredSpec);

    public static RevisionSpec Read(string json) =>
        (JsonSerializer.Deserialize(json, SpecJsonContext.Default.StoredSpec) ?? throw new InvalidDataException("A stored spec is null.")).ToSpec();
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StoredSpec))]
internal sealed partial class SpecJsonContext : JsonSerializerContext;
