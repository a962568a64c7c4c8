using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// Instances that the load of the last minute asks for, by Knative's windows and rates (<see cref="Autoscaler"/>): the mean of what runs and waits over the target of an instance. It is a
/// floor, not the way up: a queue still asks for instances at once, and what the load asks for is not stopped for idleness.
/// </summary>
internal sealed class LoadTarget
{
    /// <summary>Knative decides as often.</summary>
    private const int DecisionSeconds = 2;

    private readonly double _utilization;
    private readonly double? _rps;
    private readonly double? _fixed;
    private readonly double? _downRate;
    private readonly LoadWindow _stable;
    private readonly LoadWindow _panic;
    private AutoscalerPolicy _policy;
    private AutoscalerState _state = AutoscalerState.Initial;
    private MonotonicTime _last;
    private long _decidedSecond;
    private int _load;

    /// <summary>Arrivals of the last second that had any and is not over, or not judged.</summary>
    private int _arrivals;
    private long _arrivalSecond;

    public LoadTarget(RevisionSpec spec)
    {
        IsWanted = spec.HasLoadTarget;
        _rps = spec.TargetRps;
        _downRate = spec.MaxScaleDownRate;
        _fixed = spec.TargetRps ?? (spec.TargetConcurrency is { } concurrent ? Math.Min(concurrent, spec.Slots) : spec.IsConcurrencyUnlimited ? AutoscalerPolicy.UnlimitedTarget : null);
        _utilization = spec.TargetUtilization ?? (spec.IsConcurrencyUnlimited && _rps is null ? AutoscalerPolicy.UnlimitedUtilization : 1);
        _policy = new AutoscalerPolicy
        {
            CapacityPerInstance = _fixed ?? spec.Slots,
            TargetPerInstance = (_fixed ?? spec.Slots) * _utilization,
            StableWindow = spec.StableWindow,
            PanicWindow = spec.PanicWindow,
            PanicThreshold = spec.PanicThreshold,
            ScaleUpRateMax = spec.MaxScaleUpRate,
            ActivationInstances = spec.ActivationInstances,
            ScaleDownDelay = spec.ScaleDownDelay,
            // What is not wanted still has its idle time-out, instance by instance; and kept instances would keep the answer up.
            ScaleDownRateMax = double.MaxValue,
            SpareCapacity = 0,
            InstancesMax = spec.MaxInstances,
        };
        // One second each while nobody looks: most revisions have no target.
        _stable = new LoadWindow(IsWanted ? _policy.StableWindow : TimeSpan.FromSeconds(1));
        _panic = new LoadWindow(IsWanted ? _policy.PanicWindow : TimeSpan.FromSeconds(1));
    }

    public bool IsWanted { get; }

    /// <summary>Instances that the load asks for; 0 = none has been for as long as the windows and the delay reach.</summary>
    public int Instances { get; private set; }

    /// <summary>Mean load of the stable window at the last decision: invocations at once, or a second.</summary>
    public double Average { get; private set; }

    /// <summary>The load is counted in arrivals a second.</summary>
    public bool IsPerSecond => _rps is not null;

    public double TargetPerInstance => _policy.TargetPerInstance;

    /// <summary>When the next decision is due; never while there is no load to decide on.</summary>
    public MonotonicTime LooksAt { get; private set; } = MonotonicTime.Never;

    /// <summary>An invocation came; to be followed by <see cref="Observe"/>.</summary>
    public void Arrived(MonotonicTime now)
    {
        if (_rps is not null)
        {
            TakeArrivals(Second(now));
            _arrivals++;
            _arrivalSecond = Second(now);
        }
    }

    /// <summary>Takes what is so since now, and decides when it is time.</summary>
    /// <param name="load">Invocations that run or wait.</param>
    /// <param name="ready">Instances that serve.</param>
    /// <param name="slots">Slots of an instance, at least 1.</param>
    public void Observe(int load, int ready, int slots, MonotonicTime now)
    {
        if (_fixed is null && slots != _policy.CapacityPerInstance)
        {
            _policy = _policy with { CapacityPerInstance = slots, TargetPerInstance = slots * _utilization };
        }

        if (Instances == 0 && _load == 0 && LooksAt == MonotonicTime.Never)
        {
            // At rest: what was is forgotten, and with load the seconds begin anew.
            _last = now;
            _decidedSecond = Second(now);
            _state = AutoscalerState.Initial;
        }

        TakeArrivals(Second(now));
        Record(now);
        _load = load;
        if (Second(now) >= _decidedSecond + DecisionSeconds)
        {
            Decide(Second(now) - 1, ready);
            _decidedSecond = Second(now);
        }

        LooksAt = load == 0 && Instances == 0 && Average == 0 && _arrivals == 0 ? MonotonicTime.Never : new MonotonicTime((_decidedSecond + DecisionSeconds) * TimeSpan.TicksPerSecond);
    }

    private static long Second(MonotonicTime time) => time.Ticks / TimeSpan.TicksPerSecond;

    /// <summary>Spreads the load since the last look over its seconds; those that no window reaches any more are left out.</summary>
    private void Record(MonotonicTime now)
    {
        var from = now - _last > _policy.StableWindow ? now + -_policy.StableWindow : _last;
        while (from < now)
        {
            var second = Second(from);
            var edge = new MonotonicTime((second + 1) * TimeSpan.TicksPerSecond);
            var to = edge < now ? edge : now;
            var share = _rps is not null ? 0 : _load * ((to - from).Ticks / (double)TimeSpan.TicksPerSecond);
            _stable.Record(second, share);
            _panic.Record(second, share);
            from = to;
        }

        _last = now;
    }

    /// <summary>Counts the arrivals of a second that is over.</summary>
    private void TakeArrivals(long second)
    {
        if (_arrivals > 0 && _arrivalSecond < second)
        {
            _stable.Record(_arrivalSecond, _arrivals);
            _panic.Record(_arrivalSecond, _arrivals);
            _arrivals = 0;
        }
    }

    private void Decide(long second, int ready)
    {
        Average = _stable.Average(second);
        var decision = Autoscaler.Decide(_policy, _state, new AutoscalerSample(second, Average, _panic.Average(second), ready));
        // By what was asked for before, not by what is ready: kept instances would hold the answer up for ever.
        var least = _downRate is { } rate ? (int)Math.Floor(Math.Min(ready, Instances) / rate) : 0;
        (_state, Instances) = (decision.Next, Math.Max(decision.Instances, least));
    }
}
