using System.Collections.Immutable;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Usage;
using Dormouse.Simulation.Comparing;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Results;

namespace Dormouse.Cli.Simulation;

/// <summary>What <c>simulate --output json</c> prints of a comparison.</summary>
/// <param name="Currency">Of every price.</param>
internal sealed record ComparisonDocument(
    string Load, double DurationS, int Endpoints, ulong Seed, int Machines, int Cores, long MachineMemoryMib, string Currency, ImmutableArray<string> Notes, ImmutableArray<PolicyDocument> Policies)
{
    public static ComparisonDocument Of(LoadPlan load, Grounds grounds, IEnumerable<PolicyResult> results) => new(
        load.Name, load.Duration.TotalSeconds, load.Endpoints.Length, grounds.Seed, grounds.Machines, grounds.Cores, grounds.Machine.BudgetMib, PriceBook.Default.Currency, load.Notes,
        [.. results.Select(PolicyDocument.Of)]);

    /// <summary>With <c>--curve</c>: rivals, and the learned keep-alive at their memory and at their cold starts.</summary>
    public ImmutableArray<MatchDocument>? Matches { get; init; }
}

/// <param name="AtMemory">The longest idle time-out found with which the learned keep-alive holds no more memory than the rival.</param>
/// <param name="AtColdStarts">What holds least memory of what was found to have no more cold starts than the rival; left out when nothing has so few.</param>
internal sealed record MatchDocument(string Rival, long ColdStarts, double GbSeconds, LearnedDocument AtMemory, LearnedDocument? AtColdStarts)
{
    public static MatchDocument Of(RivalMatch match) => new(
        match.Rival.Policy.Name, match.Rival.Totals.ColdGrants, match.Rival.Totals.GibSeconds, LearnedDocument.Of(match.AtMemory), match.AtColdStarts is { } point ? LearnedDocument.Of(point) : null);
}

/// <param name="IdleTimeoutS">Of the learned keep-alive.</param>
internal sealed record LearnedDocument(double IdleTimeoutS, long ColdStarts, double GbSeconds)
{
    public static LearnedDocument Of(LearnedPoint point) => new(point.IdleTimeout.TotalSeconds, point.Result.Totals.ColdGrants, point.Result.Totals.GibSeconds);
}

/// <param name="ColdShare">Share of the slots given for which somebody waited for a start, 0 to 1.</param>
/// <param name="InstanceS">Σ time that instances were there, s.</param>
/// <param name="GbSeconds">Σ memory that they held × time (1 GB = 1,024 MB).</param>
/// <param name="BusyShare">Share of <paramref name="InstanceS"/> in which something ran.</param>
/// <param name="Price">What callers pay, provisioned time included.</param>
/// <param name="ProvisionedS">Σ time of provisioned instances, s.</param>
/// <param name="LostWithMachine">Waited or ran on a machine that was lost.</param>
/// <param name="Unreachable">Came while their machine was away.</param>
internal sealed record PolicyDocument(
    string Policy, long Invocations, long Answered, RefusalsDocument Refused, long TimedOut, long Crashed, long LostWithMachine, long Unreachable, long Retries, long ColdStarts, long Thawed, long Queued, double ColdShare,
    double P50Ms, double P95Ms, double P99Ms, double MaxMs, double WaitP99Ms, long Starts, long FailedStarts, long Evictions, long IdleStops,
    double InstanceS, double GbSeconds, double BusyShare, string Price, double ProvisionedS, long MachineLosses)
{
    public static PolicyDocument Of(PolicyResult result)
    {
        var totals = result.Totals;
        return new PolicyDocument(
            result.Policy.Name, totals.Invocations, totals.Answered, RefusalsDocument.Of(totals), totals.TimedOut, totals.Crashed, totals.LostWithMachine, totals.Unreachable, totals.Retries, totals.ColdGrants, totals.ThawedGrants, totals.QueuedGrants, totals.ColdShare,
            Ms(totals.Latency.Percentile(0.5)), Ms(totals.Latency.Percentile(0.95)), Ms(totals.Latency.Percentile(0.99)), Ms(totals.Latency.Max), Ms(totals.Waiting.Percentile(0.99)),
            totals.Starts, totals.FailedStarts, totals.Evictions, totals.IdleStops,
            totals.InstanceTime.TotalSeconds, totals.GibSeconds, totals.BusyShare, PicoMoney.Format(totals.PricePico), totals.ProvisionedMicroseconds / 1e6, totals.MachineLosses);
    }

    private static double Ms(TimeSpan time) => Math.Round(time.TotalMilliseconds, 3);
}

internal sealed record RefusalsDocument(long QueueFull, long QueueTimeout, long StartTimeout, long StartFailed, long NoCapacity, long CallerDeadline)
{
    public long Total() => QueueFull + QueueTimeout + StartTimeout + StartFailed + NoCapacity + CallerDeadline;

    public static RefusalsDocument Of(WorldTotals totals) => new(
        totals.Refusals(RefusalKind.QueueFull), totals.Refusals(RefusalKind.QueueTimeout), totals.Refusals(RefusalKind.StartTimeout),
        totals.Refusals(RefusalKind.StartFailed), totals.Refusals(RefusalKind.NoCapacity), totals.Refusals(RefusalKind.CallerDeadline));
}
