using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>A handover's settings judged: a policy, or every error at once.</summary>
public abstract record HandoverOutcome
{
    private HandoverOutcome()
    {
    }

    public sealed record Accepted(HandoverPolicy Policy) : HandoverOutcome;

    /// <param name="Errors">At least one; each sentence names setting, value and what is allowed.</param>
    public sealed record Refused(ImmutableArray<SpecError> Errors) : HandoverOutcome;
}

/// <summary>Which settings a handover may have, and which endpoint may begin one.</summary>
public static class HandoverRules
{
    public static readonly TimeSpan TimeLimitByDefault = TimeSpan.FromMinutes(10);

    private const int WarmMost = 1000;

    private static readonly TimeSpan KeepOldMost = TimeSpan.FromHours(24);
    private static readonly TimeSpan TimeLimitLeast = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan TimeLimitMost = TimeSpan.FromHours(24);

    /// <summary>Applies the defaults (as many as are in use, nothing kept, 10 min) and checks the bounds.</summary>
    /// <param name="warm">Null = its share of the instances in use.</param>
    /// <param name="keepOld">As typed; null = 0.</param>
    /// <param name="timeLimit">As typed; null = the default.</param>
    public static HandoverOutcome Apply(int? warm, string? keepOld, string? timeLimit)
    {
        var check = new SpecCheck();
        var policy = new HandoverPolicy(
            warm is { } count ? check.Count("handover.warm", count, 1, WarmMost) : null,
            check.Duration("handover.keep_old", keepOld, TimeSpan.Zero, TimeSpan.Zero, KeepOldMost),
            check.Duration("handover.for", timeLimit, TimeLimitByDefault, TimeLimitLeast, TimeLimitMost));
        return check.Errors.Count == 0 ? new HandoverOutcome.Accepted(policy) : new HandoverOutcome.Refused([.. check.Errors]);
    }

    /// <summary>Null when this endpoint may begin a handover, else a sentence: one rollout at a time.</summary>
    /// <param name="endpoint">Null = there is none of that name yet.</param>
    public static string? Refusal(Endpoint? endpoint) => endpoint switch
    {
        { Handover: { IsOpen: true } handover } =>
            $"'{endpoint.Name}' is being handed over to {Names(handover.Traffic)} already; allowed is one handover at a time. Wait for its end, or end it with 'dormouse rollback {endpoint.Name}'.",
        { Canary: { IsOpen: true } canary } =>
            $"r{canary.Revision} of '{endpoint.Name}' is a canary; allowed is one rollout at a time. Wait for its end, or end it with 'dormouse rollback {endpoint.Name}'.",
        _ => null,
    };

    /// <summary>Null when a revision may have as many instances as it is to be warmed with, else a sentence.</summary>
    /// <param name="instancesMax">Its max_instances.</param>
    public static string? Excess(HandoverPolicy policy, string revision, int instancesMax) => policy.Warm > instancesMax
        ? $"handover.warm is {policy.Warm}, but {revision} has max_instances {instancesMax}; allowed are 1 to {instancesMax}."
        : null;

    internal static string Names(ImmutableArray<TrafficShare> traffic) => string.Join(' ', traffic.Select(t => $"r{t.Revision}={t.Weight}"));
}
