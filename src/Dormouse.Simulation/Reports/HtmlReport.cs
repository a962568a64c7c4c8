using System.Globalization;
using System.Net;
using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Simulation.Comparing;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Results;

namespace Dormouse.Simulation.Reports;

/// <summary>A comparison as one HTML page with everything in it: no script, no font, nothing from the network.</summary>
public static class HtmlReport
{
    private const string Style = """
        body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 960px; margin: 2rem auto; padding: 0 1rem }
        h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.05rem; margin: 0 0 .3rem } .facts { color: #555 }
        table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums } .wide { overflow-x: auto; margin: 1.2rem 0 }
        th, td { padding: .3rem .4rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap } th { font-weight: 600 } th:first-child, td:first-child { text-align: left }
        td i, figcaption i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px }
        figure { margin: 1.8rem 0 } svg { width: 100%; height: auto; display: block } svg text { font-size: 12px; fill: #444 } svg .axis { fill: #666 }
        .grid { stroke: #e4e4e4 } .mark { stroke: #999 } figcaption span { margin-right: 1.2em; font-size: .9rem }
        """;

    private static readonly double[] Shares = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999];

    /// <param name="results">At least one.</param>
    /// <param name="matches">The learned keep-alive beside rivals; none = nothing is said of them.</param>
    public static string Write(LoadPlan load, Grounds grounds, IReadOnlyList<PolicyResult> results, IReadOnlyList<RivalMatch> matches)
    {
        var first = results[0].Totals;
        var html = new StringBuilder();
        html.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">");
        html.Append($"<title>Simulation of {Encode(load.Name)}</title>\n<style>\n{Style}\n</style></head><body>\n<h1>Simulation of {Encode(load.Name)}</h1>\n<p class=\"facts\">");
        html.Append($"{Count(first.Invocations)} invocations of {Count(load.Endpoints.Length)} endpoints in {Durations.Words(load.Duration)}; ");
        html.Append($"{(grounds.Machines == 1 ? "1 machine" : Count(grounds.Machines) + " machines")} of {grounds.Cores} cores and {Sizes.Format(grounds.Machine.BudgetMib * Sizes.BytesPerMib)}; seed {grounds.Seed}.");
        html.Append($"{string.Concat(load.Notes.Select(n => " " + Encode(n)))}</p>\n{Table(results)}");
        html.Append(Trade(results)).Append(matches.Count == 0 ? "" : Rivals(matches)).Append(Latency(results));
        html.Append(OverTime("Memory held by instances", "GiB", load, results, t => [.. t.HeldMib.Select(m => m / 1024)]));
        html.Append(OverTime("Cold starts", "a minute", load, results, t => [.. t.ColdStarts.Select(c => c / t.Step.TotalMinutes)]));
        html.Append(OverTime("Invocations", "a second", load, [results[0]], t => [.. t.Arrivals.Select(c => c / t.Step.TotalSeconds)]));
        return html.Append("<p class=\"facts\">Made by dormouse simulate. Runs do not slow each other in it; what is kept after the end of the load is not counted.</p>\n</body></html>\n").ToString();
    }

    private static string Table(IReadOnlyList<PolicyResult> results)
    {
        string[] heads = ["policy", "cold starts", "cold %", "p50 ms", "p95 ms", "p99 ms", "max ms", "refused", "failed", "evicted", "instance s", "GB-seconds", "busy %", PriceBook.Default.Currency];
        var html = new StringBuilder("<div class=\"wide\"><table><tr>");
        html.AppendJoin("", heads.Select(h => $"<th>{h}</th>")).Append("</tr>\n");
        for (var i = 0; i < results.Count; i++)
        {
            var t = results[i].Totals;
            string[] cells =
            [
                $"<i style=\"background:{SvgChart.Colour(i)}\"></i>{Encode(results[i].Policy.Name)}", Count(t.ColdGrants), Number(100 * t.ColdShare, "0.###"), Ms(t, 0.5), Ms(t, 0.95), Ms(t, 0.99),
                Number(t.Latency.Max.TotalMilliseconds, "#,0.#"), Count(t.Refused), Count(t.Failed), Count(t.Evictions), Number(t.InstanceTime.TotalSeconds, "#,0"), Number(t.GibSeconds, "#,0"),
                Number(100 * t.BusyShare, "0.#"), Number((double)t.PricePico / 1e12, "0.######"),
            ];
            html.Append("<tr>").AppendJoin("", cells.Select(c => $"<td>{c}</td>")).Append("</tr>\n");
        }

        return html.Append("</table></div>\n").ToString();
    }

    private static string Rivals(IReadOnlyList<RivalMatch> matches)
    {
        var html = new StringBuilder("<h2>The learned keep-alive beside its rivals</h2>\n<div class=\"wide\"><table><tr><th>rival</th><th>cold starts</th><th>GB-seconds</th><th>at no more</th><th>learned with</th><th>cold starts</th><th>GB-seconds</th></tr>\n");
        foreach (var match in matches)
        {
            foreach (var (equal, point) in (ReadOnlySpan<(string, LearnedPoint?)>)[("memory", match.AtMemory), ("cold starts", match.AtColdStarts)])
            {
                string[] learned = point is null ? ["none", "", ""] : [Durations.Words(point.IdleTimeout), Count(point.Result.Totals.ColdGrants), Number(point.Result.Totals.GibSeconds, "#,0")];
                string[] cells = [Encode(match.Rival.Policy.Name), Count(match.Rival.Totals.ColdGrants), Number(match.Rival.Totals.GibSeconds, "#,0"), equal, .. learned];
                html.Append("<tr>").AppendJoin("", cells.Select(c => $"<td>{c}</td>")).Append("</tr>\n");
            }
        }

        return html.Append("</table></div>\n").ToString();
    }

    private static string Trade(IReadOnlyList<PolicyResult> results)
    {
        var chart = new SvgChart(
            "Memory against cold starts (better: lower left)", "memory held, GB-seconds", "cold starts",
            ChartAxis.FromZero(results.Max(r => r.Totals.GibSeconds)), ChartAxis.FromZero(results.Max(r => r.Totals.ColdGrants)));
        return chart.Points([.. results.Select(r => (r.Policy.Name, r.Totals.GibSeconds, (double)r.Totals.ColdGrants))]);
    }

    private static string Latency(IReadOnlyList<PolicyResult> results)
    {
        var lines = results.Where(r => r.Totals.Answered > 0)
            .Select(r => new ChartLine(r.Policy.Name, [.. Shares.Select(s => (Rarity(s), Math.Max(0.01, r.Totals.Latency.Percentile(s).TotalMilliseconds)))])).ToList();
        if (lines.Count == 0)
        {
            return "";
        }

        var values = lines.SelectMany(l => l.Points).Select(p => p.Y).ToList();
        var chart = new SvgChart(
            "Time to the answer", "percentile", "ms", ChartAxis.Exactly(4, r => Number(100 * (1 - Math.Pow(10, -r)), "0.##") + " %"), ChartAxis.Logarithmic(values.Min(), values.Max()));
        return chart.Lines(lines);
    }

    private static string OverTime(string title, string unit, LoadPlan load, IReadOnlyList<PolicyResult> results, Func<Timeline, double[]> values)
    {
        var lines = results.Select(r =>
        {
            var step = r.Totals.Timeline.Step;
            return new ChartLine(r.Policy.Name, [.. values(r.Totals.Timeline).Select((v, i) => (X: (i + 0.5) * step.TotalSeconds, Y: v)).Where(p => p.X <= load.Duration.TotalSeconds)]);
        }).ToList();
        var (divisor, name) = load.Duration.TotalHours >= 48 ? (86_400.0, "days") : load.Duration.TotalHours >= 2 ? (3_600.0, "hours") : load.Duration.TotalMinutes >= 5 ? (60.0, "minutes") : (1.0, "seconds");
        var scaled = lines.ConvertAll(l => l with { Points = [.. l.Points.Select(p => (p.X / divisor, p.Y))] });
        var chart = new SvgChart(
            title, name, unit, ChartAxis.Exactly(load.Duration.TotalSeconds / divisor, ChartAxis.Number), ChartAxis.FromZero(lines.SelectMany(l => l.Points).Max(p => p.Y)));
        return chart.Lines(scaled);
    }

    /// <summary>0.9 → 1, 0.99 → 2: gives the rare ones room.</summary>
    private static double Rarity(double share) => -Math.Log10(1 - share);

    private static string Ms(WorldTotals totals, double share) => Number(totals.Latency.Percentile(share).TotalMilliseconds, "#,0.#");

    private static string Count(long value) => Number(value, "#,0");

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static string Encode(string text) => WebUtility.HtmlEncode(text);
}
