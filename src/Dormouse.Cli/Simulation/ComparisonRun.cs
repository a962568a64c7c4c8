using System.Collections.Immutable;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Simulation.Comparing;
using Dormouse.Simulation.Load;

namespace Dormouse.Cli.Simulation;

/// <summary>Runs a load under every policy and shows what came of it.</summary>
internal static class ComparisonRun
{
    public static async Task<ImmutableArray<PolicyResult>> RunAsync(
        Session session, LoadPlan load, Grounds grounds, IReadOnlyList<Policy> policies, CancellationToken cancellationToken)
    {
        var results = ImmutableArray.CreateBuilder<PolicyResult>();
        foreach (var policy in policies)
        {
            results.Add(await session.Activity.RunAsync(
                $"simulating {policy.Name}", load.Duration, load.Invocations,
                progress => Task.Run(() => Comparison.Run(load, policy, grounds, progress, cancellationToken), cancellationToken)));
        }

        return results.DrainToImmutable();
    }

    /// <summary>The learned keep-alive at the memory, and at the cold starts, of each rival.</summary>
    /// <param name="results">Of the curve's policies: they are not run again.</param>
    public static async Task<ImmutableArray<RivalMatch>> MatchAsync(
        Session session, LoadPlan load, Grounds grounds, IEnumerable<PolicyResult> results, CancellationToken cancellationToken)
    {
        var known = results.ToDictionary(r => r.Policy);
        PolicyResult Run(Policy policy)
        {
            if (!known.TryGetValue(policy, out var result))
            {
                known.Add(policy, result = Comparison.Run(load, policy, grounds, null, cancellationToken));
            }

            return result;
        }

        var matches = ImmutableArray.CreateBuilder<RivalMatch>();
        foreach (var rival in KeepAliveCurve.Rivals)
        {
            matches.Add(await session.Activity.RunAsync(
                $"looking for the memory and the cold starts of {rival.Name}", () => Task.Run(() => KeepAliveCurve.Match(Run(rival), Run), cancellationToken)));
        }

        return matches.DrainToImmutable();
    }

    public static void Write(Screen screen, ComparisonDocument done)
    {
        if (screen.IsJson)
        {
            screen.Json(done, CliJson.Default.ComparisonDocument);
            return;
        }

        var length = Core.Endpoints.Durations.Words(TimeSpan.FromSeconds(done.DurationS));
        var memory = Core.Endpoints.Sizes.Format(done.MachineMemoryMib * Core.Endpoints.Sizes.BytesPerMib);
        screen.Line($"{done.Load}: {Units.Count(done.Policies[0].Invocations)} invocations of {Units.Count(done.Endpoints)} endpoints in {length}, "
            + $"{(done.Machines == 1 ? "1 machine" : $"{Units.Count(done.Machines)} machines")} of {done.Cores} cores and {memory}, seed {done.Seed}");
        screen.Line();
        screen.Table(
            ["POLICY", ">COLD", ">COLD %", ">P50 MS", ">P95 MS", ">P99 MS", ">MAX MS", ">REFUSED", ">FAILED", ">EVICTED", ">INSTANCE S", ">GB-SECONDS", ">BUSY %", ">" + done.Currency],
            done.Policies.Select(Row));
        if (done.Matches is { } matches)
        {
            screen.Line();
            screen.Table(
                ["RIVAL", ">COLD", ">GB-SECONDS", "AT NO MORE", ">LEARNED WITH", ">COLD", ">GB-SECONDS"],
                matches.SelectMany(m => new[] { Row(m, "memory", m.AtMemory), Row(m, "cold starts", m.AtColdStarts) }));
        }

        foreach (var note in done.Notes)
        {
            screen.Note(note);
        }
    }

    private static string[] Row(PolicyDocument p) =>
    [
        p.Policy, Units.Count(p.ColdStarts), Percent(p.ColdShare), Units.Milliseconds(p.P50Ms), Units.Milliseconds(p.P95Ms), Units.Milliseconds(p.P99Ms), Units.Milliseconds(p.MaxMs),
        Units.Count(p.Refused.Total()), Units.Count(p.TimedOut + p.Crashed + p.LostWithMachine + p.Unreachable), Units.Count(p.Evictions), Units.Number(p.InstanceS, "#,0"), Units.Number(p.GbSeconds, "#,0"), Percent(p.BusyShare),
        decimal.Round(decimal.Parse(p.Price, System.Globalization.CultureInfo.InvariantCulture), 6).ToString("0.######", System.Globalization.CultureInfo.InvariantCulture),
    ];

    private static string[] Row(MatchDocument match, string equal, LearnedDocument? learned) =>
    [
        match.Rival, Units.Count(match.ColdStarts), Units.Number(match.GbSeconds, "#,0"), equal,
        .. learned is { } l ? (string[])[Core.Endpoints.Durations.Words(TimeSpan.FromSeconds(l.IdleTimeoutS)), Units.Count(l.ColdStarts), Units.Number(l.GbSeconds, "#,0")] : ["none", "", ""],
    ];

    private static string Percent(double share) => Units.Number(100 * share, share is > 0 and < 0.01 ? "0.000" : "0.0");
}
