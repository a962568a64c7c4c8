namespace Dormouse.Core.Scaling;

/// <summary>How the number of instances follows the load. Meanings and defaults are Knative's, the words ours.</summary>
public sealed record AutoscalerPolicy
{
    /// <summary>Invocations at once that an instance without a limit is taken to have capacity for: Knative's container-concurrency-target-default.</summary>
    public const double UnlimitedTarget = 100;

    /// <summary>Share of them that shall be there on average: Knative's container-concurrency-target-percentage.</summary>
    public const double UnlimitedUtilization = 0.7;

    /// <summary>Load that one instance can take at most: invocations at once, or a second. Above 0; default 1.</summary>
    public double CapacityPerInstance { get; init; } = 1;

    /// <summary>Load that one instance shall have on average: its capacity × the target utilisation. Above 0; default 0.7.</summary>
    public double TargetPerInstance { get; init; } = 0.7;

    /// <summary>Averaging window of normal operation, whole seconds. Default 60 s.</summary>
    public TimeSpan StableWindow { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Averaging window that notices a burst, whole seconds, at most the stable window. Default 6 s.</summary>
    public TimeSpan PanicWindow { get; init; } = TimeSpan.FromSeconds(6);

    /// <summary>Demand of the panic window ÷ ready instances from which on it is a burst. Default 2 (200 %).</summary>
    public double PanicThreshold { get; init; } = 2;

    /// <summary>Most instances after one decision, as a multiple of those ready. At least 1; default 1000.</summary>
    public double ScaleUpRateMax { get; init; } = 1000;

    /// <summary>Fewest instances after one decision: those ready ÷ this. Above 1; default 2.</summary>
    public double ScaleDownRateMax { get; init; } = 2;

    /// <summary>The largest answer of this time stands. Zero = none, the default.</summary>
    public TimeSpan ScaleDownDelay { get; init; }

    /// <summary>Instances to have at least as soon as there is any load at all. 0 or 1 = no such rule, the default.</summary>
    public int ActivationInstances { get; init; }

    /// <summary>Free capacity to keep above the load; negative = without limit. Default 211, Knative's target burst capacity.</summary>
    public double SpareCapacity { get; init; } = 211;

    /// <summary>Fewest instances. Default 0: scale to zero.</summary>
    public int InstancesMin { get; init; }

    /// <summary>Most instances; 0 = no limit, the default.</summary>
    public int InstancesMax { get; init; }

    /// <summary>Some route leads to the revision. Without one the fall of the count is not slowed.</summary>
    public bool IsReachable { get; init; } = true;
}
