using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Usage;

/// <summary><c>dormouse usage</c>.</summary>
internal static class UsageCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var endpoint = new Argument<string?>("name") { HelpName = "name", Description = "Only this endpoint.", Arity = ArgumentArity.ZeroOrOne };
        Arguments.RefuseOptions(endpoint);
        var by = new Option<string>("--by") { Description = "One row for each.", DefaultValueFactory = _ => "endpoint" };
        by.AcceptOnlyFromAmong("endpoint", "hour");
        var from = new Option<string?>("--from") { HelpName = "time", Description = "Start: 2026-11-01, 2026-11-01T14:00, or how long ago, such as 24h. Default: as the server chooses." };
        var to = new Option<string?>("--to") { HelpName = "time", Description = "End, in the same forms. Default: now." };
        var command = new CliCommand(
            "usage",
            "Show what endpoints used and cost: the sum of their receipts, to the unit.",
            "dormouse usage",
            "dormouse usage digits --by hour --from 24h",
            "dormouse usage --from 2026-11-01 --to 2026-12-01 --output json") { endpoint, by, from, to };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var time = session.Surroundings.Time;
            var report = await session.Client.Usage.ReportAsync(
                parsed.GetRequiredValue(by), parsed.GetValue(endpoint), Instant("--from", parsed.GetValue(from), time), Instant("--to", parsed.GetValue(to), time), cancellationToken);
            if (session.Screen.IsJson)
            {
                session.Screen.Json(report, ControlJson.Default.UsageReport);
            }
            else
            {
                Write(session, report, parsed.GetValue(by) == "hour");
            }
        });
    }

    /// <summary>A date or time as written (local unless it says otherwise), or so long ago.</summary>
    public static DateTimeOffset? Instant(string option, string? text, TimeProvider time)
    {
        if (text is null)
        {
            return null;
        }

        if (Durations.TryParse(text, out var ago))
        {
            return time.GetUtcNow() - ago;
        }

        if (text.EndsWith('d') && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var days) && days < 100_000)
        {
            return time.GetUtcNow() - TimeSpan.FromDays(days);
        }

        if (!DateTime.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal, out var at))
        {
            throw CommandException.Usage($"{option} is '{text}', which is no time. Write 2026-11-01, 2026-11-01T14:00 or how long ago, such as 24h or 7d.");
        }

        // AdjustToUniversal leaves a time without a zone unspecified: that is this machine's own.
        return at.Kind == DateTimeKind.Utc ? new DateTimeOffset(at) : new DateTimeOffset(at, time.LocalTimeZone.GetUtcOffset(at));
    }

    private static void Write(Session session, UsageReport report, bool byHour)
    {
        var time = session.Surroundings.Time;
        session.Screen.Line($"{Units.DateTime(report.From, time)} to {Units.DateTime(report.To, time)}");
        session.Screen.Line();
        session.Screen.Table(
            byHour
                ? ["HOUR", "ENDPOINT", ">CALLS", ">COLD", ">FAILED", ">RUN MS", ">CPU MS", ">BILLED MS", ">GB-SECONDS", ">" + report.Currency]
                : ["ENDPOINT", ">CALLS", ">COLD", ">FAILED", ">RUN MS", ">CPU MS", ">BILLED MS", ">GB-SECONDS", ">" + report.Currency],
            report.Rows.Select(r => Row(r, Title(r), byHour, time)).Append(Row(report.Total, "total", byHour, time)));
        if (report.Rows.IsEmpty)
        {
            session.Screen.Note("Nothing was called in this time; idle costs nothing.");
        }
    }

    /// <summary>The endpoint, and what it paid for when that is not the run of on-demand instances.</summary>
    private static string Title(UsageRow row)
    {
        var endpoint = row.Endpoint ?? (row.EndpointId is { } id ? $"deleted ({id})" : "");
        return row.Line is null or "on_demand" ? endpoint : $"{endpoint}: {row.Line.Replace('_', ' ')}";
    }

    private static string[] Row(UsageRow row, string title, bool byHour, TimeProvider time)
    {
        string[] cells =
        [
            title, Units.Count(row.Invocations), Units.Count(row.ColdStarts), Units.Count(row.Failures), Units.Number(row.RunMs, "#,0.0"), Units.Number(row.CpuMs, "#,0.0"),
            Units.Count(row.BilledMs), Units.Number(row.GbSeconds, "0.######"), row.Price,
        ];
        return byHour ? [row.Hour is { } hour ? Units.DateTime(hour, time) : "", .. cells] : cells;
    }
}
