using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Routing;
using Dormouse.Server.Telemetry;

namespace Dormouse.Server.Prefetch;

/// <summary>What became of a wish to read files ahead.</summary>
/// <param name="Result">As the metric has it.</param>
/// <param name="Bytes">Not in memory, and asked for.</param>
/// <param name="Files">Of the record that are there as they were.</param>
internal readonly record struct PrefetchOutcome(string Result, long Bytes, int Files)
{
    public static readonly PrefetchOutcome NotRecorded = new("not_recorded", 0, 0);
    public static readonly PrefetchOutcome MemoryShort = new("memory_short", 0, 0);
    public static readonly PrefetchOutcome Busy = new("busy", 0, 0);
    public static readonly PrefetchOutcome Failed = new("failed", 0, 0);
}

/// <summary>Counts what was read ahead, and says it among the endpoint's changes of scale: those that read anything, or might have.</summary>
internal sealed class PrefetchReports(PrefetchMetrics metrics, RoutingTable routing, DispatchEvents events, ScalingLog scaling, MonotonicClock clock)
{
    public void Add(Revision revision, PrefetchOutcome outcome, string why)
    {
        metrics.Ended(routing.NameOf(revision.Id.Endpoint) ?? EndpointLabels.Other, outcome.Result, outcome.Bytes);
        if (Sentence(outcome) is { } sentence)
        {
            var change = new ScalingChange(clock.Now, revision.Id.Number, 0, 0, $"{sentence}: {why}");
            scaling.Add(revision.Id.Endpoint, change);
            events.RaiseChanged(revision, change);
        }
    }

    private static string? Sentence(PrefetchOutcome outcome) => outcome.Result switch
    {
        "read" => string.Create(CultureInfo.InvariantCulture, $"read {Size(outcome)} of {outcome.Files} files ahead"),
        "bounded" => string.Create(CultureInfo.InvariantCulture, $"read {Size(outcome)} of files ahead, more is not allowed (prefetch.size, or half of the memory that is free)"),
        "memory_short" => "read no files ahead, memory is short",
        _ => null,
    };

    private static string Size(PrefetchOutcome outcome) => string.Create(CultureInfo.InvariantCulture, $"{outcome.Bytes / (double)(1 << 20):0.#} MiB");
}
