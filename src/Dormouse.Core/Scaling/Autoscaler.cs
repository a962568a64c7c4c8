namespace Dormouse.Core.Scaling;

/// <summary>What is measured at one second.</summary>
/// <param name="Second">Seconds on the clock that the windows count.</param>
/// <param name="StableAverage">Mean load of the stable window, whole revision with what waits.</param>
/// <param name="PanicAverage">The same of the panic window.</param>
/// <param name="ReadyInstances">Instances that serve.</param>
public readonly record struct AutoscalerSample(long Second, double StableAverage, double PanicAverage, int ReadyInstances);

/// <param name="Wanted">Instances that the load asks for.</param>
/// <param name="Instances">The same within the policy's bounds.</param>
/// <param name="IsPanic">A burst is on: the count does not fall.</param>
/// <param name="PanicInstances">Most instances wanted since it began; after one 0, and before the first those taken over.</param>
/// <param name="ExcessCapacity">Free capacity above load and spare capacity; negative = too little.</param>
/// <param name="Next">State of the next decision.</param>
public readonly record struct AutoscalerDecision(int Wanted, int Instances, bool IsPanic, int PanicInstances, long ExcessCapacity, AutoscalerState Next);

/// <summary>
/// How many instances a load needs: Knative's pod autoscaler, decision for decision. Its own answers on recorded loads are the oracle (<c>dormouse simulate --kpa</c>).
/// </summary>
public static class Autoscaler
{
    /// <summary>Length of the slots in which a scale-down delay counts: Knative decides once in two seconds.</summary>
    private const int SlotSeconds = 2;

    /// <summary>The rule. Without any sample in the stable window there is nothing to decide: keep what there is.</summary>
    /// <remarks>
    /// With R = max(1, ready), each window asks for ceil(average ÷ target), held between floor(R ÷ down rate) and ceil(R × up rate). A panic begins when the
    /// short window asks for threshold × R or more, and ends one stable window after it last did. While it lasts, the larger answer counts and never falls.
    /// Worked example: target 7, one ready, 40 at once: ceil(40 ÷ 7) = 6 ≥ 2 × 1, so 6 and panic.
    /// </remarks>
    public static AutoscalerDecision Decide(AutoscalerPolicy policy, AutoscalerState state, in AutoscalerSample sample)
    {
        var ready = Math.Max(1, sample.ReadyInstances);
        var panicDemand = Demand(sample.PanicAverage, policy);
        var stable = Held(Demand(sample.StableAverage, policy), ready, policy);
        var panic = Held(panicDemand, ready, policy);

        if (panicDemand / ready >= policy.PanicThreshold)
        {
            state = state.Panicking(sample.Second);
        }
        else if (state.PanicSince is { } since && since + Seconds(policy.StableWindow) < sample.Second)
        {
            state = state.Calm();
        }

        var wanted = stable;
        if (state.PanicSince is not null)
        {
            state = state.Wanting(Math.Max(stable, panic));
            wanted = state.PanicInstances;
        }

        if (policy.ScaleDownDelay > TimeSpan.Zero)
        {
            var slots = (Seconds(policy.ScaleDownDelay) + SlotSeconds - 1) / SlotSeconds;
            state = state.Delaying(sample.Second / SlotSeconds, slots, wanted);
            // Not empty: this answer is in it. The first is the largest, since a later one pushes out what is not larger.
            wanted = state.Delayed[0].Instances;
        }

        return new AutoscalerDecision(wanted, Bounded(wanted, policy), state.PanicSince is not null, state.PanicInstances, Excess(policy, sample), state);
    }

    private static double Demand(double average, AutoscalerPolicy policy) => Math.Ceiling(average / policy.TargetPerInstance);

    /// <summary>A window's answer within the rates of one decision.</summary>
    private static int Held(double demand, int ready, AutoscalerPolicy policy)
    {
        var most = Math.Ceiling(policy.ScaleUpRateMax * ready);
        var fewest = policy.IsReachable ? Math.Floor(ready / policy.ScaleDownRateMax) : 0;
        var held = (int)Math.Min(Math.Min(Math.Max(demand, fewest), most), int.MaxValue);
        return policy.ActivationInstances > 1 && demand > 0 ? Math.Max(held, policy.ActivationInstances) : held;
    }

    private static int Bounded(int wanted, AutoscalerPolicy policy)
    {
        var least = Math.Max(wanted, policy.InstancesMin);
        return policy.InstancesMax > 0 ? Math.Min(least, policy.InstancesMax) : least;
    }

    private static long Excess(AutoscalerPolicy policy, in AutoscalerSample sample) => policy.SpareCapacity switch
    {
        0 => 0,
        < 0 => -1,
        var spare => (long)Math.Floor((sample.ReadyInstances * policy.CapacityPerInstance) - spare - sample.PanicAverage),
    };

    private static long Seconds(TimeSpan span) => span.Ticks / TimeSpan.TicksPerSecond;
}
