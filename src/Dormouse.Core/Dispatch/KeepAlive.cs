using Dormouse.Core.Endpoints;
using Dormouse.Core.Prefetch;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>How long one revision's idle instances are kept: the idle time-out, or for the last one what its gaps have taught.</summary>
internal sealed class KeepAlive(RevisionSpec spec)
{
    private KeepAlivePlan? _plan;
    private PrefetchPlan? _prefetch;
    private bool _isPrefetchPlanned;

    public IdleMemory Memory { get; set; } = new();

    /// <summary>Until when something else kept the last instance.</summary>
    public MonotonicTime HeldUntil { get; set; } = new(long.MinValue);

    private bool IsLearned => spec.KeepAlive == KeepAliveMode.Learned;

    /// <summary>When an instance is to be started for an expected invocation, unless one serves then; null = not in this idle time.</summary>
    public MonotonicTime? StartAgainAt(TimeSpan? startTime) =>
        IsLearned && !Memory.HasStartedAgain && Memory.QuietSince is { } since && Plan(startTime).StartAgainAfter is { } after ? since + after : null;

    /// <summary>An invocation came: the idle time is over.</summary>
    public void Arrived(MonotonicTime now)
    {
        if (Memory.QuietSince is { } since && Memory.Gaps.Record(now - since))
        {
            _plan = null;
            _isPrefetchPlanned = false;
        }

        Memory.QuietSince = null;
        Memory.HasStartedAgain = false;
        Memory.HasPrefetched = false;
    }

    /// <summary>Nothing runs or waits.</summary>
    public void IsQuiet(MonotonicTime now, TimeSpan? startTime)
    {
        Memory.QuietSince ??= now;
        if (StartAgainAt(startTime) is not null && Memory.QuietSince + Plan(startTime).Until <= now)
        {
            Memory.HasStartedAgain = true;
        }
    }

    /// <summary>When an idle instance is to be stopped, and why.</summary>
    /// <param name="isLast">It is the only one that serves.</param>
    public (MonotonicTime At, KeepAlivePlan Plan) EndOf(InstanceSlot slot, bool isLast, TimeSpan? startTime)
    {
        var (at, plan) = Own(slot, isLast, startTime);
        return !isLast || spec.ScaleToZeroGrace == TimeSpan.Zero ? (at, plan) : ((at > HeldUntil ? at : HeldUntil) + spec.ScaleToZeroGrace, plan);
    }

    private (MonotonicTime At, KeepAlivePlan Plan) Own(InstanceSlot slot, bool isLast, TimeSpan? startTime)
    {
        if (!IsLearned || !isLast || Memory.QuietSince is not { } since)
        {
            return (slot.IdleSince + spec.IdleTimeout, KeepAlivePlan.Fixed(spec.IdleTimeout));
        }

        var plan = Plan(startTime);
        var isExpecting = plan.StartAgainAfter is not null && slot.WantedAt > since;
        return isExpecting
            ? (since + plan.Until, plan with { Keep = plan.Until })
            : ((since > slot.IdleSince ? since : slot.IdleSince) + plan.Keep, plan);
    }

    /// <summary>When the revision's files are to be read ahead if it has no instance then, and why; null = not in this idle time. Where an instance is to be started for the call, that start reads them.</summary>
    public (MonotonicTime At, string Why)? Prefetch(TimeSpan? startTime)
    {
        if (Memory.HasPrefetched || Memory.QuietSince is not { } since || (IsLearned && Plan(startTime).StartAgainAfter is not null))
        {
            return null;
        }

        if (!_isPrefetchPlanned)
        {
            _prefetch = PrefetchRule.Plan(Memory.Gaps, IsLearned ? Plan(startTime).Keep : spec.IdleTimeout);
            _isPrefetchPlanned = true;
        }

        return _prefetch is { } plan ? (since + plan.After, plan.Why) : null;
    }

    public KeepAlivePlan Plan(TimeSpan? startTime) => _plan ??= KeepAliveRule.Plan(Memory.Gaps, spec.IdleTimeout, startTime);
}
