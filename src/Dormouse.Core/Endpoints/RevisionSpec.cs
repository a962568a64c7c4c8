using System.Collections.Immutable;
using Dormouse.Core.Overflow;

namespace Dormouse.Core.Endpoints;

/// <summary>How long the last idle instance of a revision is kept.</summary>
public enum KeepAliveMode
{
    /// <summary><see cref="RevisionSpec.IdleTimeout"/>.</summary>
    Fixed,

    /// <summary>What its gaps between invocations have taught (<see cref="Scaling.KeepAliveRule"/>); the idle time-out while they have taught nothing.</summary>
    Learned,
}

/// <summary>
/// What the user set for one revision: runtime and policy. Immutable once stored; kept as JSON with <see cref="SchemaVersion"/>,
/// so every default is applied before it is stored and a later default never changes an old revision.
/// </summary>
public sealed record RevisionSpec
{
    public const int CurrentSchemaVersion = 1;

    public int SchemaVersion { get; init; } = CurrentSchemaVersion;

    /// <summary>Name of the runtime that opens the package: one of <see cref="RuntimeKind.All"/>.</summary>
    public required string Runtime { get; init; }

    /// <summary>What is behind that name.</summary>
    public RuntimeKind Kind => RuntimeKind.Of(Runtime);

    /// <summary>Function of the package that answers, in the form of <see cref="PythonHandler"/>; null = the runner finds the only one. Models have none.</summary>
    public string? Handler { get; init; }

    /// <summary>Minor version of the interpreter, such as "3.11"; null = the server's own.</summary>
    public string? Python { get; init; }

    /// <summary>What is installed for it, one requirement each; at most <see cref="Environments.PythonNeeds.PipMax"/>. Default none.</summary>
    public ImmutableArray<string> Pip { get; init; } = [];

    /// <summary>Path of a requirements file of the package; <see cref="Environments.PythonNeeds.None"/> = not even one of the usual name; null = there is none.</summary>
    public string? Requirements { get; init; }

    /// <summary>The interpreter's own packages are seen; null = when nothing is installed.</summary>
    public bool? SystemPackages { get; init; }

    /// <summary>The environment that was made for these; null = the interpreter itself, with what the system has.</summary>
    public Environments.EnvironmentId? PythonEnvironment { get; init; }

    /// <summary>How its instances are isolated; null = as the server does by default, which is the sandbox where that works. Specs stored before it was known have none.</summary>
    public IsolationLevel? Isolation { get; init; }

    /// <summary>What the user said of the network; null = nothing, and it is as its isolation has it: a sandbox has none. <see cref="NetworkAccess.None"/> goes with a sandbox only.</summary>
    public NetworkAccess? Network { get; init; }

    /// <summary>Memory limit and price class of one instance, MiB; 64 to the machine's memory. Default 512.</summary>
    public int MemoryMib { get; init; } = 512;

    /// <summary>Cores of one instance, 0.1 to the machine's count. Default for a model all cores, for a function 1 or the machine's, if that has less.</summary>
    public double Cpu { get; init; } = 1;

    /// <summary>Cores that are reserved for an instance as long as it is there, in thousandths exact, 0 to <see cref="Cpu"/>: those of all instances together fit what the machine lets reserve. Default 0: none.</summary>
    public double ReserveCpu { get; init; }

    /// <summary>Runs that one instance has at once, 1 to 1,000. Default for a model cpu rounded down, at least 1; for a function 1.</summary>
    public int Concurrency { get; init; } = 1;

    /// <summary>The limit is found from run times (<see cref="Scaling.ConcurrencyRule"/>); then <see cref="Concurrency"/> is the most it may become.</summary>
    public bool IsConcurrencyAuto { get; init; }

    /// <summary>
    /// An instance has no limit of its own: each invocation goes to the less loaded of two that are drawn (<see cref="Dispatch.TwoChoices"/>), and how many instances there are follows from <see cref="SoftSlots"/>.
    /// <see cref="Concurrency"/> is then what no instance may hold in any case, 1,000.
    /// </summary>
    public bool IsConcurrencyUnlimited { get; init; }

    /// <summary>Invocations that an instance shall have at once on average, 0.01 to 1,000; at most <see cref="Slots"/> count. Null = the default: where concurrency is unlimited <see cref="Scaling.AutoscalerPolicy.UnlimitedTarget"/>, else all slots.</summary>
    public double? TargetConcurrency { get; init; }

    /// <summary>How many invocations of an instance are its share before others are started: where concurrency is unlimited the target, at least 1, else all slots.</summary>
    public int SoftSlots => !IsConcurrencyUnlimited ? Slots
        : (int)Math.Clamp(Math.Floor(((TargetConcurrency ?? Scaling.AutoscalerPolicy.UnlimitedTarget) * (TargetUtilization ?? Scaling.AutoscalerPolicy.UnlimitedUtilization)) + 1e-9), 1, Slots);

    /// <summary>Where such a limit begins: cpu rounded down, at least 1, at most <see cref="Concurrency"/>.</summary>
    public int FirstConcurrency => (int)Math.Clamp(Math.Floor(Cpu + 1e-9), 1, Concurrency);

    /// <summary>Rows of a run that invocations may share, 1 (none is shared) to 256. Default 1.</summary>
    public int BatchMax { get; init; } = 1;

    /// <summary>How long a batch waits for more invocations though a run is free, from its first; 0 to 1 s, shorter than <see cref="Timeout"/>. Default 0.</summary>
    public TimeSpan BatchDelay { get; init; }

    /// <summary>Invocations that one instance is given at once, up to 1,000: runs × what may share one.</summary>
    public int Slots => Concurrency * BatchMax;

    /// <summary>Intra-op threads of one run: max(1, floor(cpu ÷ concurrency)); 1 where concurrency is found, so that runs at once are what fills the cores.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Instances kept when idle, 0 to <see cref="MaxInstances"/>. Default 0: scales to zero.</summary>
    public int MinInstances { get; init; }

    /// <summary>
    /// Instances that are always warm and paid for whether they run or not, at prices of their own; 0 to <see cref="MaxInstances"/>. Default 0. They count for <see cref="MinInstances"/> too:
    /// the larger of the two numbers is kept.
    /// </summary>
    public int Provisioned { get; init; }

    /// <summary>
    /// Instances' worth of free slots kept ready above what runs while the revision is in use; 0 to <see cref="MaxInstances"/>, which bounds them too. Default 0. None at zero, and the
    /// machine takes them back when others need the memory.
    /// </summary>
    public int SpareInstances { get; init; }

    /// <summary>
    /// Share of an instance's slots that shall be busy on average, 0.1 to 1: the load of the last minute over it is how many instances are not stopped for idleness. Null = the load
    /// asks for none, the default; 1 with <see cref="ScaleDownDelay"/> alone.
    /// </summary>
    public double? TargetUtilization { get; init; }

    /// <summary>The largest number that the load asked for in this time stands. Default 0, at most 1 h.</summary>
    public TimeSpan ScaleDownDelay { get; init; }

    /// <summary>
    /// Invocations a second that one instance shall have on average, 0.01 to 1,000,000: the load is then counted in arrivals a second instead of what runs and waits, and
    /// <see cref="TargetUtilization"/>, where set, is a share of this. Null = the default.
    /// </summary>
    public double? TargetRps { get; init; }

    /// <summary>Averaging window of the load in normal operation, whole seconds, 6 s to 1 h. Default 60 s.</summary>
    public TimeSpan StableWindow { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Averaging window that notices a burst, whole seconds, 1 s to <see cref="StableWindow"/>. Default a tenth of that.</summary>
    public TimeSpan PanicWindow { get; init; } = TimeSpan.FromSeconds(6);

    /// <summary>What the panic window asks for ÷ ready instances from which on it is a burst, 1.1 to 10. Default 2.</summary>
    public double PanicThreshold { get; init; } = 2;

    /// <summary>Most instances that the load may ask for at once, as a multiple of those ready, 1.1 to 1,000. Default 1,000. A queue asks for its own.</summary>
    public double MaxScaleUpRate { get; init; } = 1000;

    /// <summary>Two seconds later the load asks for at least this part of what it asked for: 1.1 (slowly) to 1,000. Null = it may ask for none at once, the default.</summary>
    public double? MaxScaleDownRate { get; init; }

    /// <summary>Instances that a new revision starts when it gets its first traffic, without callers; 0 to <see cref="MaxInstances"/>. Default 0. Not again after a restart of the server.</summary>
    public int InitialInstances { get; init; }

    /// <summary>Instances that a call at zero starts, and that stay as long as there is load; 0 to <see cref="MaxInstances"/>, 0 and 1 = no such rule. Default 0.</summary>
    public int ActivationInstances { get; init; }

    /// <summary>How long the last instance stays once nothing else keeps it; 0 to 1 h. Default 0.</summary>
    public TimeSpan ScaleToZeroGrace { get; init; }

    /// <summary>The load asks for instances.</summary>
    public bool HasLoadTarget => IsConcurrencyUnlimited || TargetConcurrency is not null || TargetUtilization is not null || TargetRps is not null || ScaleDownDelay > TimeSpan.Zero || ActivationInstances > 1;

    /// <summary>Windows of time in which more instances are kept; at most 32. They do not add up: the largest number counts. Default none.</summary>
    public ImmutableArray<ScheduledFloor> Floors { get; init; } = [];

    /// <summary>Instances are kept though nobody calls, now or at some time.</summary>
    public bool KeepsInstances => MinInstances > 0 || Provisioned > 0 || !Floors.IsEmpty;

    /// <summary>Most instances at once, 1 to 1,000. Default: what fits the machine by cores, at least 1.</summary>
    public int MaxInstances { get; init; } = 1;

    /// <summary>How long an idle instance is kept. Default 60 s, 0 to 24 h.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an instance stays frozen before it goes, once its keep-alive is over; 0 to 24 h. Default 0: it goes at once.</summary>
    public TimeSpan FrozenFor { get; init; }

    /// <summary>Default: learned, and fixed when the user set <see cref="IdleTimeout"/>. Specs stored before it was known are fixed.</summary>
    public KeepAliveMode KeepAlive { get; init; }

    /// <summary>Longest run of one invocation, from its hand-over to the instance. Default 60 s, 1 ms to 24 h.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Longest start of an instance. Default 60 s.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Longest wait of one invocation in the queue. Default 60 s.</summary>
    public TimeSpan QueueTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Most invocations that wait at once. Default 1,000.</summary>
    public int QueueLimit { get; init; } = 1000;

    /// <summary>Most bytes of request bodies that wait at once. Default 256 MiB.</summary>
    public long QueueLimitBytes { get; init; } = 256L << 20;

    /// <summary>Asynchronous invocations that a server has taken from the queue at once, 1 to 1,000. Null = as many as could run, the default.</summary>
    public int? AsyncConcurrency { get; init; }

    /// <summary>Asynchronous invocations that a server takes from the queue a second, 0.001 to 1,000,000. Null = no bound, the default.</summary>
    public double? AsyncRate { get; init; }

    /// <summary>Environment of the instance's program. Names match [A-Za-z_][A-Za-z0-9_]*.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Secrets of the tenant that its instances get as variables: variable → name; at most <see cref="Core.Secrets.SecretRules.UsesMax"/>. Default none. Never values.</summary>
    public ImmutableSortedDictionary<string, string> Secrets { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Secrets of the tenant that its instances get as files: name of the file → name; at most <see cref="Core.Secrets.SecretRules.UsesMax"/>. Default none.</summary>
    public ImmutableSortedDictionary<string, string> SecretFiles { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Engine settings (<c>--engine key=value</c>): ONNX Runtime session configuration entries.</summary>
    public ImmutableSortedDictionary<string, string> Engine { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Who takes its invocations when there is no capacity here; null = nobody.</summary>
    public OverflowPolicy? Overflow { get; init; }

    /// <summary>The steps of a pipeline; null = it is none.</summary>
    public Pipelines.PipelineDefinition? Pipeline { get; init; }

    /// <summary>The signature (pictures in, labels out) as canonical JSON, or null when the model has none.</summary>
    public string? Signature { get; init; }
}
