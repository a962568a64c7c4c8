using System.Globalization;
using Dormouse.Client;
using Dormouse.Simulation.Traces;

namespace Dormouse.Cli.Simulation;

/// <summary>Arrivals of a server in the plain form of traces. They are read in the order of their runs and written in the order in which they came.</summary>
internal sealed class RecordedTrace
{
    private readonly List<(long Ticks, string Endpoint, double RunMs, int MemoryMib)> _rows;

    private RecordedTrace(List<(long Ticks, string Endpoint, double RunMs, int MemoryMib)> rows, int endpoints) => (_rows, Endpoints) = (rows, endpoints);

    public int Count => _rows.Count;

    public int Endpoints { get; }

    /// <summary>From the first to the last arrival.</summary>
    public TimeSpan Length => _rows.Count == 0 ? TimeSpan.Zero : new TimeSpan(_rows[^1].Ticks - _rows[0].Ticks);

    public static async Task<RecordedTrace> ReadAsync(UsageClient usage, DateTimeOffset from, DateTimeOffset to, string? endpoint, CancellationToken cancellationToken)
    {
        var rows = new List<(long Ticks, string Endpoint, double RunMs, int MemoryMib)>();
        // One text a name, however often it was called.
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        await foreach (var arrival in usage.ArrivalsAsync(from, to, endpoint, cancellationToken))
        {
            if (!names.TryGetValue(arrival.Endpoint, out var name))
            {
                names.Add(arrival.Endpoint, name = arrival.Endpoint);
            }

            rows.Add((arrival.At.UtcTicks, name, arrival.RunMs, arrival.MemoryMib));
        }

        rows.Sort((a, b) => a.Ticks.CompareTo(b.Ticks));
        return new RecordedTrace(rows, names.Count);
    }

    public async Task WriteAsync(TextWriter writer, CancellationToken cancellationToken)
    {
        await writer.WriteLineAsync(PlainArrivals.Header.AsMemory(), cancellationToken);
        foreach (var (ticks, endpoint, run, memory) in _rows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var seconds = new TimeSpan(ticks - _rows[0].Ticks).TotalSeconds;
            await writer.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{seconds:0.######},{endpoint},{run:0.###},{memory}"));
        }
    }
}
