using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Traces;

/// <summary>Our own plain format: one row an invocation, in order of time.</summary>
public static class PlainArrivals
{
    /// <summary>The first line of a file that has every column.</summary>
    public const string Header = $"{TimeColumn},{EndpointColumn},{RunColumn},{MemoryColumn}";

    public const string TimeColumn = "time_s";
    public const string EndpointColumn = "endpoint";
    private const string RunColumn = "run_ms";
    private const string MemoryColumn = "memory_mib";

    private static readonly string[] Columns = [TimeColumn, EndpointColumn, RunColumn, MemoryColumn];

    internal static LoadPlan Read(CsvTable table, TraceOptions options)
    {
        foreach (var column in table.Header.Where(c => !Columns.Contains(c)))
        {
            throw new TraceException(table.File, 1, $"the column '{column}' is not known; allowed are {string.Join(", ", Columns)}.");
        }

        var (time, endpoint, run, memory) = (table.Column(TimeColumn), table.Column(EndpointColumn), table.Find(RunColumn), table.Find(MemoryColumn));
        var lists = new ArrivalLists();
        var random = SeededRandom.For(0, 0);
        var (last, without) = (0.0, 0L);
        while (table.TryRead())
        {
            var seconds = table.Number(time, 0, 1e8);
            if (seconds < last)
            {
                throw table.Fault(FormattableString.Invariant($"{TimeColumn} is {seconds}, after {last}: time goes forward"));
            }

            last = seconds;
            var isKnown = run >= 0 && !table.IsEmpty(run);
            without += isKnown ? 0 : 1;
            lists.Add(
                table.Text(endpoint),
                TimeSpan.FromSeconds(seconds),
                isKnown ? TimeSpan.FromMilliseconds(table.Number(run, 0, 86_400_000)) : options.RunTime.Draw(ref random),
                memory >= 0 && !table.IsEmpty(memory) ? table.Whole(memory, 1, 1 << 24) : null);
        }

        return lists.ToLoad(table.File, Path.GetFileName(table.File), without == 0 ? [] : [$"{without} invocations have no {RunColumn}: --run-time stands in for it."]);
    }
}
