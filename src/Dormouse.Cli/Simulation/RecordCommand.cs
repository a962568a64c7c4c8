using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Cli.Usage;

namespace Dormouse.Cli.Simulation;

/// <summary><c>dormouse record</c>: what a server was called, as a trace for <c>simulate</c>.</summary>
internal sealed class RecordCommand
{
    private readonly Argument<string?> _endpoint = new("name") { HelpName = "name", Description = "Only this endpoint.", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string> _to = new("--file", "-f") { HelpName = "file", Description = "Where the trace goes; '-' = standard output.", Required = true };
    private readonly Option<string?> _from = new("--from") { HelpName = "time", Description = "Start: 2026-11-01, 2026-11-01T14:00, or how long ago, such as 24h. Default: 24h." };
    private readonly Option<string?> _until = new("--to") { HelpName = "time", Description = "End, in the same forms. Default: now." };
    private readonly Option<bool> _force = new("--force") { Description = "Write over a file that is there." };

    public static Command Create(GlobalOptions globals)
    {
        var record = new RecordCommand();
        Arguments.RefuseOptions(record._endpoint);
        var command = new CliCommand(
            "record",
            "Write down when endpoints were called, from their receipts: a trace for 'dormouse simulate'.",
            "dormouse record --file arrivals.csv",
            "dormouse record digits --from 7d --file digits.csv",
            "dormouse simulate --trace arrivals.csv") { record._endpoint, record._to, record._from, record._until, record._force };
        return command.Runs(globals, record.RunAsync);
    }

    private async Task RunAsync(Session session, ParseResult parsed, CancellationToken cancellationToken)
    {
        var time = session.Surroundings.Time;
        var file = parsed.GetRequiredValue(_to);
        var until = UsageCommand.Instant("--to", parsed.GetValue(_until), time) ?? time.GetUtcNow();
        var from = UsageCommand.Instant("--from", parsed.GetValue(_from), time) ?? until.AddDays(-1);
        if (from >= until)
        {
            throw CommandException.Usage($"--from ({Units.DateTime(from, time)}) is not before --to ({Units.DateTime(until, time)}).");
        }

        if (file != "-" && File.Exists(file) && !parsed.GetValue(_force))
        {
            throw CommandException.BadSource($"{file} is there already. Give another --file, or --force to write over it.");
        }

        var trace = await session.Activity.RunAsync("reading receipts", () => RecordedTrace.ReadAsync(session.Client.Usage, from, until, parsed.GetValue(_endpoint), cancellationToken));
        if (trace.Count == 0)
        {
            throw CommandException.BadSource($"Nothing was called from {Units.DateTime(from, time)} to {Units.DateTime(until, time)}. Give an earlier --from, such as --from 7d.");
        }

        if (file == "-")
        {
            await trace.WriteAsync(session.Surroundings.Out, cancellationToken);
            return;
        }

        await WriteAsync(trace, file, cancellationToken);
        var length = Core.Endpoints.Durations.Words(trace.Length);
        if (session.Screen.IsJson)
        {
            session.Screen.Json(new RecordDocument(file, trace.Count, trace.Endpoints, trace.Length.TotalSeconds), CliJson.Default.RecordDocument);
        }
        else
        {
            session.Screen.Line($"{Units.Count(trace.Count)} {(trace.Count == 1 ? "invocation" : "invocations")} of {Units.Count(trace.Endpoints)} {(trace.Endpoints == 1 ? "endpoint" : "endpoints")} within {length} are in {file}");
            session.Screen.Note($"Try: dormouse simulate --trace {file}");
        }
    }

    /// <summary>Whole or not at all: a trace that was cut would simulate as if nothing more had come.</summary>
    private static async Task WriteAsync(RecordedTrace trace, string file, CancellationToken cancellationToken)
    {
        var part = string.Create(CultureInfo.InvariantCulture, $"{file}.{Environment.ProcessId}.part");
        try
        {
            await using (var writer = new StreamWriter(part))
            {
                await trace.WriteAsync(writer, cancellationToken);
            }

            File.Move(part, file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CommandException.BadSource($"{file} cannot be written: {e.Message}");
        }
        finally
        {
            File.Delete(part);
        }
    }
}

/// <summary>What <c>record --output json</c> prints.</summary>
internal sealed record RecordDocument(string File, int Invocations, int Endpoints, double LengthS);
