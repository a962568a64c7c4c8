using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>What is to be done about a handover.</summary>
public abstract record HandoverDecision
{
    private HandoverDecision()
    {
    }

    public sealed record Wait : HandoverDecision
    {
        public static readonly Wait On = new();
    }

    /// <param name="Standby">Instances that the new revisions start.</param>
    public sealed record Warm(ImmutableArray<InstanceShare> Standby) : HandoverDecision;

    /// <param name="Standby">Instances that the old revisions keep; empty = none.</param>
    public sealed record Move(ImmutableArray<InstanceShare> Standby, string Reason) : HandoverDecision;

    public sealed record Fail(string Reason) : HandoverDecision;

    /// <summary>It was broken off by hand.</summary>
    public sealed record End(string Reason) : HandoverDecision;

    /// <summary>The old instances were kept for as long as they were to be.</summary>
    public sealed record LetGo : HandoverDecision
    {
        public static readonly LetGo All = new();
    }
}

/// <summary>What is seen of one revision of a handover.</summary>
/// <param name="Ready">Instances that serve now.</param>
/// <param name="InstancesMax">Its max_instances.</param>
/// <param name="FailedStarts">Starts that failed since the handover or the server began.</param>
/// <param name="LastFailure">Why the last one failed; null = none did.</param>
public readonly record struct HandoverSample(int Revision, int Ready, int InstancesMax, int FailedStarts = 0, string? LastFailure = null);

/// <summary>When the traffic of a handover moves, and when it does not.</summary>
public static class HandoverRule
{
    /// <summary>Failed starts of a revision after which it will not come up: one may be an accident of the machine, and the engine waits longer between each.</summary>
    public const int FailedStartsMax = 3;

    /// <summary>
    /// First counts the instances to be warmed, waits for them, and moves the traffic when every revision that gains some has them; fails when one of these failed to start three times or the
    /// time is over; and lets the old instances go when they were kept long enough.
    /// </summary>
    /// <param name="endpoint">With a handover.</param>
    /// <param name="samples">One of each revision that carries traffic now or is to.</param>
    /// <param name="warmingFor">How long this server has watched it: a time in which no server ran does not count for its limit.</param>
    public static HandoverDecision Decide(Endpoint endpoint, IReadOnlyList<HandoverSample> samples, TimeSpan warmingFor, DateTimeOffset now)
    {
        if (endpoint.Handover is not { } handover)
        {
            return HandoverDecision.Wait.On;
        }

        if (handover.State == HandoverState.Keeping)
        {
            return handover.KeptUntil <= now ? HandoverDecision.LetGo.All : HandoverDecision.Wait.On;
        }

        if (handover.State != HandoverState.Warming)
        {
            return HandoverDecision.Wait.On;
        }

        if (handover.Standby.IsEmpty)
        {
            var wanted = Wanted(endpoint, handover, samples);
            return wanted.IsEmpty ? new HandoverDecision.Move([], "no revision gains traffic that had none") : new HandoverDecision.Warm(wanted);
        }

        return Judge(endpoint, handover, samples, warmingFor);
    }

    private static HandoverDecision Judge(Endpoint endpoint, Handover handover, IReadOnlyList<HandoverSample> samples, TimeSpan warmingFor)
    {
        var isWarm = true;
        foreach (var (revision, instances) in handover.Standby)
        {
            var sample = Of(samples, revision);
            isWarm &= sample.Ready >= instances;
            if (sample.Ready < instances && sample.FailedStarts >= FailedStartsMax)
            {
                return new HandoverDecision.Fail($"r{revision} failed to start {sample.FailedStarts} times, the last time because: {sample.LastFailure?.TrimEnd('.')}");
            }
        }

        var counts = string.Join(", ", handover.Standby.Select(s => $"{Math.Min(Of(samples, s.Revision).Ready, s.Instances)} of {s.Instances} instances of r{s.Revision}"));
        return isWarm ? new HandoverDecision.Move(Kept(endpoint, handover, samples), $"{counts} were ready after {Durations.Words(warmingFor)}")
            : warmingFor >= handover.Policy.TimeLimit ? new HandoverDecision.Fail($"only {counts} were ready within {Durations.Words(handover.Policy.TimeLimit)}{Because(handover, samples)}")
            : HandoverDecision.Wait.On;
    }

    /// <summary>Of each revision that gains traffic and had none: what the user said, or its share of what serves now, rounded up.</summary>
    private static ImmutableArray<InstanceShare> Wanted(Endpoint endpoint, Handover handover, IReadOnlyList<HandoverSample> samples)
    {
        var inUse = endpoint.Traffic.Sum(t => Of(samples, t.Revision).Ready);
        return
        [
            .. handover.Traffic.Where(t => endpoint.Traffic.All(o => o.Revision != t.Revision)).Select(t => new InstanceShare(
                t.Revision, Math.Clamp(handover.Policy.Warm ?? ((inUse * t.Weight) + 99) / 100, 1, Math.Max(1, Of(samples, t.Revision).InstancesMax)))),
        ];
    }

    /// <summary>Of each revision that loses all traffic: what serves now, at least one, so that a way back is never cold.</summary>
    private static ImmutableArray<InstanceShare> Kept(Endpoint endpoint, Handover handover, IReadOnlyList<HandoverSample> samples) => handover.Policy.KeepOld == TimeSpan.Zero
        ? []
        : [.. endpoint.Traffic.Where(t => handover.Traffic.All(n => n.Revision != t.Revision)).Select(t => new InstanceShare(t.Revision, Math.Max(1, Of(samples, t.Revision).Ready)))];

    private static string Because(Handover handover, IReadOnlyList<HandoverSample> samples) =>
        handover.Standby.Select(s => Of(samples, s.Revision).LastFailure).FirstOrDefault(f => f is not null) is { } failure ? $"; the last start failed because: {failure.TrimEnd('.')}" : "";

    private static HandoverSample Of(IReadOnlyList<HandoverSample> samples, int revision)
    {
        foreach (var sample in samples)
        {
            if (sample.Revision == revision)
            {
                return sample;
            }
        }

        return new HandoverSample(revision, 0, 0);
    }
}
