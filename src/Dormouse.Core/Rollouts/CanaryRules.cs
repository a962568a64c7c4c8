using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>A canary's settings judged: a policy, or every error at once.</summary>
public abstract record CanaryOutcome
{
    private CanaryOutcome()
    {
    }

    public sealed record Accepted(CanaryPolicy Policy) : CanaryOutcome;

    /// <param name="Errors">At least one; each sentence names setting, value and what is allowed.</param>
    public sealed record Refused(ImmutableArray<SpecError> Errors) : CanaryOutcome;
}

/// <summary>Which settings a canary may have, and which endpoint may begin one.</summary>
public static class CanaryRules
{
    public const int SamplesByDefault = 100;
    public const int SamplesLeast = 20;
    public const int SamplesMost = 100_000;

    public static readonly TimeSpan TimeLimitByDefault = TimeSpan.FromMinutes(30);

    private static readonly TimeSpan TimeLimitLeast = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan TimeLimitMost = TimeSpan.FromDays(7);

    /// <summary>Applies the defaults (100 samples, 30 min) and checks the bounds.</summary>
    /// <param name="percent">1 to 99.</param>
    /// <param name="samplesMin">Null = the default.</param>
    /// <param name="timeLimit">As typed; null = the default.</param>
    public static CanaryOutcome Apply(int percent, int? samplesMin, string? timeLimit)
    {
        var check = new SpecCheck();
        var policy = new CanaryPolicy(
            check.Count("canary.percent", percent, 1, 99),
            check.Count("canary.min", samplesMin ?? SamplesByDefault, SamplesLeast, SamplesMost),
            check.Duration("canary.for", timeLimit, TimeLimitByDefault, TimeLimitLeast, TimeLimitMost));
        return check.Errors.Count == 0 ? new CanaryOutcome.Accepted(policy) : new CanaryOutcome.Refused([.. check.Errors]);
    }

    /// <summary>Null when this endpoint may begin a canary, else a sentence.</summary>
    /// <param name="endpoint">Null = there is none of that name.</param>
    public static string? Refusal(Endpoint? endpoint, string name, CanaryPolicy policy) => endpoint switch
    {
        null or { Traffic.IsEmpty: true } =>
            $"canary.percent is {policy.Percent}, but '{name}' has no revision with traffic to compare a new one with; deploy the first revision without a canary.",
        { Canary: { IsOpen: true } canary } =>
            $"canary.percent is {policy.Percent}, but r{canary.Revision} of '{name}' is a canary already; allowed is one at a time. Wait for its end, or end it with 'dormouse rollback {name}' or 'dormouse traffic'.",
        { Handover.IsOpen: true } =>
            $"canary.percent is {policy.Percent}, but '{name}' is being handed over to another revision; allowed is one rollout at a time. Wait for its end, or end it with 'dormouse rollback {name}'.",
        _ => null,
    };
}
