using Dormouse.Simulation.Load;

namespace Dormouse.Simulation.Traces;

/// <summary>Azure Functions invocation trace 2021 (Zhang and others, SOSP 2021): app, func, end_timestamp, duration, in seconds.</summary>
internal static class AzureFunctions2021
{
    /// <summary>The two columns were rounded apart.</summary>
    private const double RoundingSeconds = 0.01;

    public static LoadPlan Read(CsvTable table)
    {
        var lists = new ArrivalLists();
        var (lastStart, lastEnd) = (double.NegativeInfinity, double.NegativeInfinity);
        var (startsFault, endsFault) = ((TraceException?)null, (TraceException?)null);
        while (table.TryRead())
        {
            var (end, duration) = (table.Number(2, 0, 1e8), table.Number(3, 0, 1e8));
            if (end - duration < -RoundingSeconds)
            {
                throw table.Fault(FormattableString.Invariant($"duration is {duration}, longer than the {end} s from the start of the trace to end_timestamp; allowed is 0 to {end}"));
            }

            var start = Math.Max(0, end - duration);
            startsFault ??= start < lastStart - RoundingSeconds ? table.Fault(FormattableString.Invariant($"it began at {start} s, after a row that began at {lastStart} s: rows must be in order of their start, or of end_timestamp")) : null;
            endsFault ??= end < lastEnd - RoundingSeconds ? table.Fault($"end_timestamp goes back") : null;
            if (startsFault is not null && endsFault is not null)
            {
                throw startsFault;
            }

            (lastStart, lastEnd) = (start, end);
            lists.Add($"{Short(table.Text(0))}/{Short(table.Text(1))}", TimeSpan.FromSeconds(start), TimeSpan.FromSeconds(duration));
        }

        return lists.ToLoad(table.File, Path.GetFileName(table.File));
    }

    /// <summary>Hashes of 64 digits: 16 tell a million functions apart.</summary>
    internal static string Short(string hash) => hash.Length > 16 ? hash[..16] : hash;
}
