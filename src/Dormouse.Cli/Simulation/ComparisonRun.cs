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

    /// <summary>The learned keep-alive at the memory of each rival.</summary>
    public static async Task<ImmutableArray<EqualMemory>> MatchAsync(Session session, LoadPlan load, Grounds grounds, CancellationToken cancellationToken)
    {
        var matches = ImmutableArray.CreateBuilder<EqualMemory>();
        foreach (var rival in KeepAliveCurve.Rivals)
        {
            PolicyResult Run(Policy policy) => Comparison.Run(load, policy, grounds, null, cancellationToken);
            matches.Add(await session.Activity.RunAsync($"looking for the memory of {rival.Name}", () => Task.Run(() => KeepAliveCurve.At(Run(rival), Run), cancellationToken)));
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
                ["RIVAL", ">COLD", ">GB-SECONDS", ">LEARNED WITH", ">COLD", ">GB-SECONDS"],
                matches.Select(m => new[]
                {
                    m.Rival, Units.Count(m.ColdStarts), Units.Number(m.GbSeconds, "#,0"), Core.Endpoints.Durations.Words(TimeSpan.FromSeconds(m.IdleTimeoutS)),
                    Units.Count(m.LearnedColdStarts), Units.Number(m.LearnedGbSeconds, "#,0"),
                }));
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

    private static string Percent(double share) => Units.Number(100 * share, share is > 0 and < 0.01 ? "0.000" : "0.0");
}
