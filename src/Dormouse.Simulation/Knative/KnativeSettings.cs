using System.Text.Json.Serialization;
using Dormouse.Core.Scaling;

namespace Dormouse.Simulation.Knative;

/// <summary>The autoscaler's settings under Knative's names. What a file leaves out has Knative's default.</summary>
internal sealed record KnativeSettings
{
    private const double WindowSecondsMax = 3600;

    public double TotalValue { get; set; } = 1;

    public double TargetUtilization { get; set; } = 0.7;

    public double? TargetValue { get; set; }

    [JsonPropertyName("stable_window_s")]
    public double StableWindowSeconds { get; set; } = 60;

    [JsonPropertyName("panic_window_s")]
    public double PanicWindowSeconds { get; set; } = 6;

    [JsonPropertyName("bucket_s")]
    public double BucketSeconds { get; set; } = 1;

    [JsonPropertyName("tick_s")]
    public double TickSeconds { get; set; } = 2;

    public double PanicThreshold { get; set; } = 2;

    public double MaxScaleUpRate { get; set; } = 1000;

    public double MaxScaleDownRate { get; set; } = 2;

    [JsonPropertyName("scale_down_delay_s")]
    public double ScaleDownDelaySeconds { get; set; }

    public int ActivationScale { get; set; }

    public double TargetBurstCapacity { get; set; } = 211;

    public int MinScale { get; set; }

    public int MaxScale { get; set; }

    public bool Reachable { get; set; } = true;

    public int InitialReadyPods { get; set; }

    /// <exception cref="RecordingException">A value is out of its range; names it.</exception>
    public AutoscalerPolicy ToPolicy()
    {
        var target = TargetValue ?? TotalValue * TargetUtilization;
        Check("total_value", TotalValue, double.Epsilon, double.MaxValue, "above 0");
        Check("target_value", target, double.Epsilon, double.MaxValue, "above 0");
        Check("stable_window_s", StableWindowSeconds, 1, WindowSecondsMax, "1 to 3600");
        Check("panic_window_s", PanicWindowSeconds, 1, StableWindowSeconds, "1 to the stable window");
        Check("bucket_s", BucketSeconds, 1, 1, "1");
        Check("tick_s", TickSeconds, 2, 2, "2");
        Check("panic_threshold", PanicThreshold, double.Epsilon, double.MaxValue, "above 0");
        Check("max_scale_up_rate", MaxScaleUpRate, 1, double.MaxValue, "1 or more");
        Check("max_scale_down_rate", MaxScaleDownRate, 1, double.MaxValue, "1 or more");
        Check("scale_down_delay_s", ScaleDownDelaySeconds, 0, WindowSecondsMax, "0 to 3600");
        Check("activation_scale", ActivationScale, 0, int.MaxValue, "0 or more");
        Check("min_scale", MinScale, 0, MaxScale > 0 ? MaxScale : int.MaxValue, "0 to max_scale");
        Check("max_scale", MaxScale, 0, int.MaxValue, "0 or more");
        Check("initial_ready_pods", InitialReadyPods, 0, int.MaxValue, "0 or more");
        return new AutoscalerPolicy
        {
            CapacityPerInstance = TotalValue,
            TargetPerInstance = target,
            StableWindow = TimeSpan.FromSeconds(StableWindowSeconds),
            PanicWindow = TimeSpan.FromSeconds(PanicWindowSeconds),
            PanicThreshold = PanicThreshold,
            ScaleUpRateMax = MaxScaleUpRate,
            ScaleDownRateMax = MaxScaleDownRate,
            ScaleDownDelay = TimeSpan.FromSeconds(ScaleDownDelaySeconds),
            ActivationInstances = ActivationScale,
            SpareCapacity = TargetBurstCapacity,
            InstancesMin = MinScale,
            InstancesMax = MaxScale,
            IsReachable = Reachable,
        };
    }

    private static void Check(string key, double value, double min, double max, string allowed)
    {
        if (!(value >= min && value <= max))
        {
            throw new RecordingException(FormattableString.Invariant($"'settings.{key}' is {value}; allowed is {allowed}."));
        }
    }
}
