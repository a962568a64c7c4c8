using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dormouse.Cli.Connection;
using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Apply;

/// <summary>What has to be done so that one trigger is as the file wants it. No differences = nothing.</summary>
internal sealed record TriggerPlan(WantedTrigger Wanted, bool IsNew, ImmutableArray<string> Differences)
{
    public static async Task<TriggerPlan> MakeAsync(Session session, WantedTrigger wanted, CancellationToken cancellationToken)
    {
        TriggerInfo? actual;
        try
        {
            actual = await session.Client.Triggers.GetAsync(wanted.Name, cancellationToken);
        }
        catch (DormouseException e) when (e.Problem.Code == "trigger_not_found")
        {
            actual = null;
        }

        return actual is null ? new TriggerPlan(wanted, true, ["new trigger"]) : new TriggerPlan(wanted, false, Compare(wanted.Request, actual));
    }

    public Task CarryOutAsync(Session session, CancellationToken cancellationToken) =>
        Differences.IsEmpty ? Task.CompletedTask : session.Client.Triggers.SetAsync(Wanted.Name, Wanted.Request, cancellationToken);

    private static ImmutableArray<string> Compare(TriggerRequest wanted, TriggerInfo actual)
    {
        var lines = ImmutableArray.CreateBuilder<string>();
        void Line(string key, string? from, string? to)
        {
            if (from != to)
            {
                lines.Add($"{key}: {from ?? "not set"} → {to ?? "not set"}");
            }
        }

        Line("kind", actual.Kind, wanted.Kind);
        Line("endpoint", actual.Endpoint, wanted.Endpoint);
        var source = wanted.Source ?? ImmutableSortedDictionary<string, string>.Empty;
        foreach (var key in actual.Source.Keys.Union(source.Keys).Order(StringComparer.Ordinal))
        {
            Line("source." + key, actual.Source.GetValueOrDefault(key), source.GetValueOrDefault(key));
        }

        Line("filter", Normal(actual.Filter), Normal(wanted.Filter));
        Line("input", Normal(actual.Input), Normal(wanted.Input));
        Line("batch_size", actual.BatchSize.ToString(CultureInfo.InvariantCulture), (wanted.BatchSize ?? 1).ToString(CultureInfo.InvariantCulture));
        Line("batch_window", Time(actual.BatchWindow), Time(wanted.BatchWindow ?? "0s"));
        if (wanted.Paused is { } paused)
        {
            Line("paused", actual.State == "paused" ? "true" : "false", paused ? "true" : "false");
        }

        return lines.ToImmutable();
    }

    private static string Time(string text) => Core.Endpoints.Durations.TryParse(text, out var time) ? Core.Endpoints.Durations.Format(time) : text;

    /// <summary>The same JSON reads the same, however it was written.</summary>
    private static string? Normal(string? json)
    {
        try
        {
            return json is null ? null : JsonNode.Parse(json)?.ToJsonString() ?? "null";
        }
        catch (JsonException)
        {
            return json;
        }
    }
}
