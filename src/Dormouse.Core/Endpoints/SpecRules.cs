using Dormouse.Core.Environments;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Secrets;
using Dormouse.Core.Overflow;

namespace Dormouse.Core.Endpoints;

/// <summary>Turns wishes into a spec: applies every default, checks every bound, reports all errors at once.</summary>
public static class SpecRules
{
    public const string LearnedKeepAlive = "learned";
    public const string FixedKeepAlive = "fixed";

    /// <summary>What the program of an instance needs to come up and to hold a small model.</summary>
    public const int MemoryMibMin = 64;

    public const double CpuMin = 0.1;
    public const int ConcurrencyMax = 1_000;
    public const int BatchMaxMax = 256;

    /// <summary>What concurrency may be instead of a number.</summary>
    public const string AutoConcurrency = "auto";

    /// <summary>As <see cref="AutoConcurrency"/>: an instance has no limit of its own.</summary>
    public const string UnlimitedConcurrency = "unlimited";

    /// <summary>Most that concurrency auto finds: 8 for each core, 8 to 64.</summary>
    public const int AutoPerCore = 8;

    public const int AutoConcurrencyMax = 64;
    public const int InstancesMax = 1_000;
    public const int QueueLimitMax = 100_000;
    public const double AsyncRateMin = 0.001;
    public const double AsyncRateMax = 1_000_000;
    public const double TargetMin = 0.1;
    public const int FloorsMax = 32;
    public const int EnvironmentMax = 256;
    public const int EngineMax = 64;
    public const int ValueLengthMax = 32_768;

    private static readonly TimeSpan Day = TimeSpan.FromHours(24);
    private static readonly TimeSpan Millisecond = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan BatchDelayMax = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Defaults: runtime onnx (python when a handler is named), memory 512 MiB (or the machine's, when it has less), cpu = all cores (of a function 1), concurrency = max(1, floor(cpu)) (of a function 1), threads = max(1, floor(cpu ÷ concurrency)), no batches,
    /// where concurrency is auto threads 1 and at most 8 runs for each core, 8 to 64,
    /// min_instances 0, provisioned 0, no floors, spare_instances 0, max_instances = max(1, min_instances, provisioned, initial_instances, activation_instances, every floor, spare_instances + 1 when there are some, min(floor(cores ÷ cpu), floor(machine's memory ÷ memory))), every time-out 60 s, keep_alive learned unless idle_timeout is set,
    /// queue 1,000 invocations and 256 MiB. Of a pipeline concurrency 64, and nothing else that is about instances.
    /// </summary>
    /// <param name="wishes">What the user set.</param>
    /// <param name="machine">Bounds of cpu and memory.</param>
    /// <returns>A spec with every value set, or all errors, each naming setting, value and what is allowed.</returns>
    public static SpecOutcome Apply(RevisionWishes wishes, MachineFacts machine)
    {
        var check = new SpecCheck();
        var defaults = new RevisionSpec { Runtime = RuntimeKind.Onnx.Name };

        var runtime = check.Runtime("runtime", RuntimeKind.NameFor(wishes.Runtime, wishes.Handler));
        var handler = check.Handler("handler", wishes.Handler, runtime);
        var (isolation, network) = check.Isolation(wishes);
        var memory = check.MemoryMib("memory", wishes.Memory, Math.Min(defaults.MemoryMib, machine.MemoryMib), MemoryMibMin, machine.MemoryMib);
        var cpu = check.Number("cpu", wishes.Cpu ?? (runtime.RunsModels ? machine.Cores : Math.Min(1, machine.Cores)), CpuMin, machine.Cores);
        var reserved = check.ReserveCpu("reserve_cpu", wishes.ReserveCpu ?? 0, cpu, machine);
        var concurrency = wishes.IsConcurrencyAuto ? MostFound(cpu) : wishes.IsConcurrencyUnlimited ? ConcurrencyMax : check.Count("concurrency", wishes.Concurrency ?? DefaultConcurrency(runtime, cpu), 1, ConcurrencyMax);
        var (batchMax, batchDelay) = Batching(check, wishes, concurrency, defaults);
        var min = check.Count("min_instances", wishes.MinInstances ?? 0, 0, InstancesMax);
        var provisioned = check.Provisioned("provisioned", wishes.Provisioned ?? 0, memory, reserved, machine);
        var floors = check.Floors("floors", wishes.Floors);
        var spare = check.Count("spare_instances", wishes.SpareInstances ?? 0, 0, InstancesMax);
        var kept = floors.Select(f => f.Instances).Append(min).Append(provisioned).Append(Math.Clamp(wishes.InitialInstances ?? 0, 0, InstancesMax)).Append(Math.Clamp(wishes.ActivationInstances ?? 0, 0, InstancesMax)).Append(spare == 0 ? 0 : Math.Min(spare + 1, InstancesMax)).Max();
        var max = check.Count("max_instances", wishes.MaxInstances ?? (runtime.HasInstances ? Math.Max(kept, FittingInstances(machine, Math.Max(cpu, reserved * machine.Cores / machine.ReservableCores), memory)) : 1), 1, InstancesMax);
        check.AtMostMax("min_instances", min, max);
        check.AtMostMax("provisioned", provisioned, max);
        check.AtMostMax("spare_instances", spare, max);
        check.FloorsAtMostMax("floors", floors, max);

        var spec = LoadRules.Apply(check, wishes, defaults with { MaxInstances = max, IsConcurrencyUnlimited = wishes.IsConcurrencyUnlimited }) with
        {
            Runtime = runtime.Name,
            Handler = handler,
            Python = NeedsRules.Python(check, wishes.Python),
            Pip = NeedsRules.Pip(check, wishes.Pip),
            Requirements = NeedsRules.Requirements(check, wishes.Requirements),
            SystemPackages = wishes.SystemPackages,
            Isolation = isolation,
            Network = network,
            MemoryMib = memory,
            Cpu = cpu,
            ReserveCpu = reserved,
            Concurrency = concurrency,
            IsConcurrencyAuto = wishes.IsConcurrencyAuto,
            IsConcurrencyUnlimited = wishes.IsConcurrencyUnlimited,
            Threads = wishes.IsConcurrencyAuto ? 1 : AtLeastOne(cpu / concurrency),
            BatchMax = batchMax,
            BatchDelay = batchDelay,
            MinInstances = min,
            Provisioned = provisioned,
            SpareInstances = spare,
            Floors = floors,
            MaxInstances = max,
            IdleTimeout = check.Duration("idle_timeout", wishes.IdleTimeout, defaults.IdleTimeout, TimeSpan.Zero, Day),
            FrozenFor = check.Duration("frozen_for", wishes.FrozenFor, defaults.FrozenFor, TimeSpan.Zero, Day),
            KeepAlive = check.OneOf("keep_alive", wishes.KeepAlive ?? DefaultKeepAlive(wishes), LearnedKeepAlive, FixedKeepAlive) == LearnedKeepAlive ? KeepAliveMode.Learned : KeepAliveMode.Fixed,
            Timeout = check.Duration("timeout", wishes.Timeout, defaults.Timeout, Millisecond, Day),
            StartTimeout = check.Duration("start_timeout", wishes.StartTimeout, defaults.StartTimeout, Millisecond, Day),
            QueueTimeout = check.Duration("queue_timeout", wishes.QueueTimeout, defaults.QueueTimeout, Millisecond, Day),
            QueueLimit = check.Count("queue_limit", wishes.QueueLimit ?? defaults.QueueLimit, 1, QueueLimitMax),
            QueueLimitBytes = check.Size("queue_limit_bytes", wishes.QueueLimitBytes, defaults.QueueLimitBytes, Sizes.BytesPerMib, 1L << 40),
            AsyncConcurrency = wishes.AsyncConcurrency is { } atOnce ? check.Count("async_concurrency", atOnce, 1, ConcurrencyMax) : null,
            AsyncRate = wishes.AsyncRate is { } rate ? check.Share("async_rate", rate, AsyncRateMin, AsyncRateMax) : null,
            Environment = check.Environment("environment", wishes.Environment),
            Secrets = SecretRules.Variables(check, wishes),
            SecretFiles = SecretRules.Files(check, wishes),
            Engine = check.Engine("engine", wishes.Engine),
            Overflow = OverflowRules.Apply(check, wishes.Overflow),
            Pipeline = PipelineRules.Definition(check, wishes.Pipeline, runtime),
            Signature = wishes.Signature,
        };
        check.OnlyForModels(wishes, runtime);
        PipelineRules.OnlyForInstances(check, wishes, runtime);
        NeedsRules.OnlyForFunctions(check, wishes, runtime);
        SecretRules.OnlyForFunctions(check, wishes, runtime);
        if (spec.BatchDelay >= spec.Timeout && check.IsFine("batch_delay") && check.IsFine("timeout"))
        {
            check.Refuse("batch_delay", $"{wishes.BatchDelay}", $"batch_delay is {Durations.Format(spec.BatchDelay)}; allowed is less than timeout, which is {Durations.Format(spec.Timeout)} and counts this wait too.");
        }

        return check.Errors.Count == 0 ? new SpecOutcome.Accepted(spec) : new SpecOutcome.Refused([.. check.Errors]);
    }

    /// <summary>A spec as wishes in text, every value set: what <c>describe</c> shows, and what gives the same spec again on the same machine.</summary>
    /// <param name="spec">Any valid spec.</param>
    public static RevisionWishes Describe(RevisionSpec spec) => spec.Kind.HasInstances ? DescribeWhole(spec) : PipelineRules.Describe(spec);

    private static RevisionWishes DescribeWhole(RevisionSpec spec) => new()
    {
        Runtime = spec.Runtime,
        Handler = spec.Handler,
        Python = spec.Python,
        Pip = spec.Pip.IsEmpty ? null : spec.Pip,
        Requirements = spec.Requirements,
        SystemPackages = spec.SystemPackages,
        Isolation = spec.Isolation is { } isolation ? IsolationLevels.NameOf(isolation) : null,
        Network = spec.Network is { } network ? IsolationLevels.NameOf(network) : null,
        Memory = Sizes.Format(spec.MemoryMib * Sizes.BytesPerMib),
        Cpu = spec.Cpu,
        ReserveCpu = spec.ReserveCpu,
        Concurrency = spec.IsConcurrencyAuto || spec.IsConcurrencyUnlimited ? null : spec.Concurrency,
        IsConcurrencyAuto = spec.IsConcurrencyAuto,
        IsConcurrencyUnlimited = spec.IsConcurrencyUnlimited,
        TargetConcurrency = spec.TargetConcurrency,
        BatchMax = spec.BatchMax,
        BatchDelay = Durations.Format(spec.BatchDelay),
        MinInstances = spec.MinInstances,
        Provisioned = spec.Provisioned,
        SpareInstances = spec.SpareInstances,
        TargetUtilization = spec.TargetUtilization,
        ScaleDownDelay = Durations.Format(spec.ScaleDownDelay),
        TargetRps = spec.TargetRps,
        StableWindow = spec.HasLoadTarget ? Durations.Format(spec.StableWindow) : null,
        PanicWindow = spec.HasLoadTarget ? Durations.Format(spec.PanicWindow) : null,
        PanicThreshold = spec.HasLoadTarget ? spec.PanicThreshold : null,
        MaxScaleUpRate = spec.HasLoadTarget ? spec.MaxScaleUpRate : null,
        MaxScaleDownRate = spec.MaxScaleDownRate,
        InitialInstances = spec.InitialInstances,
        ActivationInstances = spec.ActivationInstances,
        ScaleToZeroGrace = Durations.Format(spec.ScaleToZeroGrace),
        Floors = spec.Floors.IsEmpty ? null : [.. spec.Floors.Select(f => f.ToString())],
        MaxInstances = spec.MaxInstances,
        IdleTimeout = Durations.Format(spec.IdleTimeout),
        FrozenFor = Durations.Format(spec.FrozenFor),
        KeepAlive = spec.KeepAlive == KeepAliveMode.Learned ? LearnedKeepAlive : FixedKeepAlive,
        Timeout = Durations.Format(spec.Timeout),
        StartTimeout = Durations.Format(spec.StartTimeout),
        QueueTimeout = Durations.Format(spec.QueueTimeout),
        QueueLimit = spec.QueueLimit,
        QueueLimitBytes = Sizes.Format(spec.QueueLimitBytes),
        AsyncConcurrency = spec.AsyncConcurrency,
        AsyncRate = spec.AsyncRate,
        Environment = spec.Environment,
        Secrets = spec.Secrets.IsEmpty ? null : spec.Secrets,
        SecretFiles = spec.SecretFiles.IsEmpty ? null : spec.SecretFiles,
        Engine = spec.Engine,
        Overflow = spec.Overflow is { } overflow ? new OverflowWishes(overflow.Url, overflow.Max, overflow.KeyFile, overflow.KeyEnv) : null,
        Signature = spec.Signature,
    };

    private static (int Max, TimeSpan Delay) Batching(SpecCheck check, RevisionWishes wishes, int concurrency, RevisionSpec defaults)
    {
        var max = check.Count("batch_max", wishes.BatchMax ?? defaults.BatchMax, 1, BatchMaxMax);
        var delay = check.Duration("batch_delay", wishes.BatchDelay, defaults.BatchDelay, TimeSpan.Zero, BatchDelayMax);
        if (wishes.IsConcurrencyUnlimited && max > 1 && check.IsFine("batch_max"))
        {
            check.Refuse("batch_max", $"{max}", $"batch_max is {max} and concurrency unlimited; how many runs wait for one another is bounded by both, so allowed is concurrency as a number with batch_max, or unlimited without.");
        }
        else if (check.IsFine("batch_max") && check.IsFine("concurrency") && !wishes.IsConcurrencyAuto && concurrency * max > ConcurrencyMax)
        {
            check.Refuse("batch_max", $"{max}", $"batch_max is {max} and concurrency {concurrency}; together they may be at most {ConcurrencyMax} invocations of an instance, so allowed are 1 to {ConcurrencyMax / concurrency}.");
        }

        if (wishes.IsConcurrencyAuto && max > 1 && check.IsFine("batch_max"))
        {
            check.Refuse("batch_max", $"{max}", $"batch_max is {max} and concurrency auto; a batch changes the run times that auto goes by, so allowed is concurrency as a number with batch_max, or auto without.");
        }

        if (max == 1 && delay > TimeSpan.Zero && check.IsFine("batch_delay"))
        {
            check.Refuse("batch_delay", $"{wishes.BatchDelay}", $"batch_delay is {Durations.Format(delay)}, but batch_max is 1, so nothing is batched; set batch_max to 2 to {BatchMaxMax}, or leave batch_delay out.");
        }

        return (max, delay);
    }

    /// <summary>Who says how long gets just that.</summary>
    private static string DefaultKeepAlive(RevisionWishes wishes) => wishes.IdleTimeout is null ? LearnedKeepAlive : FixedKeepAlive;

    /// <summary>Instances that fit the machine by cores and by memory, 1 to <see cref="InstancesMax"/>. The small term undoes the rounding of decimals such as 0.1.</summary>
    private static int FittingInstances(MachineFacts machine, double cpu, int memoryMib) =>
        (int)Math.Clamp(Math.Min(Math.Floor((machine.Cores / cpu) + 1e-9), machine.MemoryMib / Math.Max(1, memoryMib)), 1, InstancesMax);

    private static int MostFound(double cpu) => (int)Math.Clamp(Math.Ceiling(AutoPerCore * cpu), AutoPerCore, AutoConcurrencyMax);

    private static int DefaultConcurrency(RuntimeKind runtime, double cpu) => !runtime.HasInstances ? PipelineLimits.ConcurrencyByDefault : runtime.RunsModels ? AtLeastOne(cpu) : 1;

    private static int AtLeastOne(double value) => (int)Math.Clamp(Math.Floor(value + 1e-9), 1, ConcurrencyMax);
}
