using System.Collections.Immutable;
using Dormouse.Cli.Invoke;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Drill;

/// <summary>A drill's result, and the document of <c>--output json</c>.</summary>
/// <param name="Skipped">Acts that could not be played, each with its reason.</param>
/// <param name="Broken">Other promises that acts found broken, one sentence each.</param>
/// <param name="Faults">The first of them, one sentence each.</param>
internal sealed record DrillReport(
    string Endpoint, double Seconds, double DeadlineMs, int Cycles, int Revisions, int Killed, ActCounts Total, ImmutableArray<ActCounts> Acts, DrillAccounts Ledger,
    ImmutableArray<string> Skipped, ImmutableArray<string> Broken, ImmutableArray<string> Faults)
{
    /// <summary>The product's promise: zero of each.</summary>
    public bool IsKept => Total is { Lost: 0, Wrong: 0, Late: 0 } && Ledger is { Duplicated: 0, Unaccounted: 0, Difference: null } && Broken.IsEmpty;

    public void Write(Screen screen)
    {
        if (screen.IsJson)
        {
            screen.Json(this, CliJson.Default.DrillReport);
            return;
        }

        screen.Table(
            ["ACT", ">SENT", ">RIGHT", ">COLD", ">SLOWEST MS", ">REFUSED", ">LOST", ">WRONG", ">LATE"],
            Acts.Append(Total).Select(a => new[]
            {
                a.Act, Units.Count(a.Sent), Units.Count(a.Right), Units.Count(a.Cold), Units.Milliseconds(a.SlowestMs), Units.Count(a.Refused), Units.Count(a.Lost),
                Units.Count(a.Wrong), Units.Count(a.Late),
            }));
        screen.Line();
        screen.Line($"{Units.Number(Seconds, "0")} s, {Cycles} cycle(s), {Revisions} revisions, {Killed} worker(s) killed");
        screen.Line(
            $"ledger: {Units.Count(Ledger.Receipts)} receipts, {Units.Count(Ledger.Duplicated)} duplicated, {Units.Count(Ledger.Unaccounted)} answers without one; "
            + (Ledger.Difference is { } difference ? $"totals differ: {difference}" : $"totals are their sum ({InvokeReport.Price(Ledger.PricePico)})"));
        foreach (var line in Skipped.Concat(Broken).Concat(Faults))
        {
            screen.Line(line);
        }

        screen.Line(IsKept
            ? "kept: nothing lost, duplicated, wrong or late"
            : $"NOT kept: {Total.Lost} lost, {Ledger.Duplicated} duplicated, {Total.Wrong} wrong, {Total.Late} late, {Broken.Length} other promise(s) broken");
    }
}
