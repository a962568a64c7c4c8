using System.Globalization;
using Dormouse.Protocol;

namespace Dormouse.Client;

/// <summary>What the headers of an answer say about its invocation.</summary>
/// <param name="InvocationId">Null when the answer does not come from an endpoint.</param>
/// <param name="Kind">"warm", "queued", "cold"; null when not told.</param>
/// <param name="Cause">Why an instance was started: "first", "idle", "burst", "rollout", "crash", "eviction".</param>
/// <param name="QueueMs">Milliseconds from <c>Server-Timing</c>, as are the other times; null when not told.</param>
public sealed record InvocationTrace(
    string? InvocationId, string? Kind, string? Cause, string? Rung, double? QueueMs, double? StartMs, double? LoadMs, double? RunMs)
{
    /// <summary>Why the start took no better rung: "pool_empty", "no_template", …; null when it took the best, or there was no start.</summary>
    public string? RungReason { get; init; }

    public static InvocationTrace Of(HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        var start = First(response, DormouseHeaders.Start)?.Split(';', StringSplitOptions.TrimEntries) ?? [];
        var timing = response.Headers.TryGetValues("Server-Timing", out var values) ? string.Join(',', values) : "";
        return new InvocationTrace(
            First(response, DormouseHeaders.InvocationId),
            start.Length == 0 ? null : start[0],
            Parameter(start, "cause"),
            Parameter(start, "rung"),
            Duration(timing, "queue"),
            Duration(timing, "start"),
            Duration(timing, "load"),
            Duration(timing, "run"))
        {
            RungReason = Parameter(start, "why"),
        };
    }

    private static string? First(HttpResponseMessage response, string header) =>
        response.Headers.TryGetValues(header, out var values) ? values.FirstOrDefault() : null;

    private static string? Parameter(IEnumerable<string> parts, string name) =>
        parts.FirstOrDefault(p => p.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];

    /// <summary>The <c>dur</c> of one metric of a <c>Server-Timing</c> list.</summary>
    private static double? Duration(string timing, string metric)
    {
        foreach (var entry in timing.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = entry.Split(';', StringSplitOptions.TrimEntries);
            if (parts[0] == metric && Parameter(parts, "dur") is { } text && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var ms))
            {
                return ms;
            }
        }

        return null;
    }
}
