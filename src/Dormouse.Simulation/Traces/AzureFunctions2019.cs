using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Traces;

/// <summary>
/// A day of the Azure Functions trace 2019 (Shahrad and others, ATC 2020): invocations per function and minute, with durations and memory in files beside it. A function is an
/// endpoint. Both names of the files are known, those of the data set and the short ones.
/// </summary>
internal static class AzureFunctions2019
{
    private const string ShortName = "invocations.csv";
    private const string LongName = "invocations_per_function_md.anon.";
    private const int MinuteCountMax = 10_000_000;

    private static readonly (string Column, double Share)[] Percentiles =
    [
        ("percentile_Average_0", 0), ("percentile_Average_1", 0.01), ("percentile_Average_25", 0.25), ("percentile_Average_50", 0.5),
        ("percentile_Average_75", 0.75), ("percentile_Average_99", 0.99), ("percentile_Average_100", 1),
    ];

    public static string FindInvocations(string folder) =>
        File.Exists(Path.Combine(folder, ShortName)) ? Path.Combine(folder, ShortName)
        : Directory.EnumerateFiles(folder, LongName + "*.csv").Order(StringComparer.Ordinal).FirstOrDefault()
        ?? throw new TraceException(folder, $"The folder has no {ShortName} and no {LongName}d01.csv; one of them is needed.");

    public static LoadPlan Read(string file, TraceOptions options)
    {
        var durations = Durations(Beside(file, "durations.csv", "function_durations_percentiles.anon."));
        var memory = Memory(Beside(file, "memory.csv", "app_memory_percentiles.anon."));
        using var table = CsvTable.Open(file);
        var (key, firstMinute) = (Key(table), table.Column("Trigger") + 1);
        var minutes = Minutes(table, firstMinute);
        var endpoints = ImmutableArray.CreateBuilder<EndpointLoad>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var (invocations, without) = (0L, 0);
        while (table.TryRead())
        {
            var (owner, app, function) = (table.Text(key.Owner), table.Text(key.App), table.Text(key.Function));
            var name = $"{AzureFunctions2021.Short(app)}/{AzureFunctions2021.Short(function)}";
            if (!names.Add($"{owner}/{app}/{function}"))
            {
                throw table.Fault($"the function {name} has a row already; one row a function is needed");
            }

            var counts = Counts(table, firstMinute, minutes);
            invocations += counts.Sum(c => (long)c.Count);
            var runTime = durations.GetValueOrDefault($"{owner}/{app}/{function}");
            without += runTime is null ? 1 : 0;
            var place = (ulong)endpoints.Count + 1;
            endpoints.Add(new EndpointLoad(
                name,
                memory.TryGetValue($"{owner}/{app}/{function}", out var mib) || memory.TryGetValue($"{owner}/{app}", out mib) ? mib : null,
                seed => new MinuteArrivals(counts, runTime ?? options.RunTime, SeededRandom.For(seed, place))));
        }

        if (invocations == 0)
        {
            throw new TraceException(file, "It has no invocations; at least one is needed.");
        }

        ImmutableArray<string> notes = without == 0 ? [] : [$"{without} of {endpoints.Count} functions have no durations: --run-time stands in for them."];
        var title = Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(file))) + "/" + Path.GetFileName(file);
        return new LoadPlan(title, TimeSpan.FromMinutes(minutes), invocations, endpoints.DrainToImmutable(), notes);
    }

    /// <summary>Columns 1, 2, 3 … to the last one, without a hole.</summary>
    private static int Minutes(CsvTable table, int first)
    {
        for (var i = first; i < table.Header.Count; i++)
        {
            if (table.Header[i] != $"{i - first + 1}")
            {
                throw new TraceException(table.File, 1, $"the column after minute {i - first} is '{table.Header[i]}'; '{i - first + 1}' is needed: minutes have no holes.");
            }
        }

        return table.Header.Count > first ? table.Header.Count - first : throw new TraceException(table.File, 1, "there are no columns of minutes; '1', '2', … are needed after Trigger.");
    }

    private static MinuteCount[] Counts(CsvTable table, int first, int minutes)
    {
        var counts = new List<MinuteCount>();
        for (var minute = 0; minute < minutes; minute++)
        {
            if (table.Whole(first + minute, 0, MinuteCountMax) is > 0 and var count)
            {
                counts.Add(new MinuteCount(minute, count));
            }
        }

        return [.. counts];
    }

    private static Dictionary<string, Spread> Durations(string? file)
    {
        var durations = new Dictionary<string, Spread>(StringComparer.Ordinal);
        if (file is null)
        {
            return durations;
        }

        using var table = CsvTable.Open(file);
        var (key, columns) = (Key(table), Percentiles.Select(p => (Column: table.Column(p.Column), p.Share)).ToArray());
        while (table.TryRead())
        {
            var points = ImmutableArray.CreateBuilder<QuantilePoint>(columns.Length);
            foreach (var (column, share) in columns)
            {
                var value = TimeSpan.FromMilliseconds(table.Number(column, 0, 1e9));
                if (points.Count > 0 && value < points[^1].Value)
                {
                    throw table.Fault(string.Create(CultureInfo.InvariantCulture, $"{table.Header[column]} is {value.TotalMilliseconds}, below the percentile before it, {points[^1].Value.TotalMilliseconds}; allowed is that or more"));
                }

                points.Add(new QuantilePoint(share, value));
            }

            durations[$"{table.Text(key.Owner)}/{table.Text(key.App)}/{table.Text(key.Function)}"] = new Spread.Quantiles(points.DrainToImmutable());
        }

        return durations;
    }

    /// <summary>Mean memory; the data set has it per app, the short files per function.</summary>
    private static Dictionary<string, int> Memory(string? file)
    {
        var memory = new Dictionary<string, int>(StringComparer.Ordinal);
        if (file is null)
        {
            return memory;
        }

        using var table = CsvTable.Open(file);
        var (owner, app, function, mean) = (table.Column("HashOwner"), table.Column("HashApp"), table.Find("HashFunction"), table.Column("AverageAllocatedMb"));
        while (table.TryRead())
        {
            var name = $"{table.Text(owner)}/{table.Text(app)}" + (function < 0 ? "" : "/" + table.Text(function));
            memory[name] = (int)Math.Ceiling(table.Number(mean, 0, 1 << 24));
        }

        return memory;
    }

    private static (int Owner, int App, int Function) Key(CsvTable table) => (table.Column("HashOwner"), table.Column("HashApp"), table.Column("HashFunction"));

    private static string? Beside(string invocations, string shortName, string longName)
    {
        var (folder, name) = (Path.GetDirectoryName(Path.GetFullPath(invocations))!, Path.GetFileName(invocations));
        var path = Path.Combine(folder, name.StartsWith(LongName, StringComparison.Ordinal) ? longName + name[LongName.Length..] : shortName);
        return File.Exists(path) ? path : null;
    }
}
