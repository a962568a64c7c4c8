using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Batches;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Batches;

/// <summary><c>dormouse batch N</c>: runs an endpoint over every item of an input.</summary>
internal sealed class BatchCommand
{
    /// <summary>The estimate is what the endpoint's calls of this time cost on average.</summary>
    private const int EstimateDays = 30;

    private readonly Argument<string> _endpoint = Arguments.Endpoint();
    private readonly Option<string> _input = new("--input", "-i") { HelpName = "file|folder|pattern|s3://…", Description = "JSON lines, CSV, Parquet, or a folder or pattern of files such as pictures, each of which is one item; or an object, or all objects of a prefix, of a bucket that the operator opened (batches.buckets).", Required = true };
    private readonly Option<bool> _onServer = new("--on-server") { Description = "--input is a path of the server's machine, below a folder that its operator opened (batches.folders)." };
    private readonly Option<string[]> _output = OutputOption.Create();
    private readonly Option<string?> _format = new("--format") { Description = "How the input is divided into items. Default: by its name." };
    private readonly Option<string?> _maxFailures = new("--max-failures") { HelpName = "n|p%", Description = "Stop when more items failed than this: a number, or a share (of at least 100). Default: 10%." };
    private readonly Option<int?> _concurrency = new("--concurrency") { HelpName = "n", Description = "Most items that wait or run at a time, 1 to 1,000. Default: 32." };
    private readonly Option<string?> _revision = new("--revision") { HelpName = "r3|tag|traffic", Description = "Run every item on this revision; 'traffic' = each by the traffic at its time. Default: the one with most of the traffic now." };
    private readonly Option<bool> _detach = new("--detach", "-d") { Description = "Begin the job, print its id, and do not stay." };
    private readonly Option<bool> _yes = new("--yes", "-y") { Description = "Do not ask." };

    public static Command Create(GlobalOptions globals)
    {
        var batch = new BatchCommand();
        batch._format.AcceptOnlyFromAmong("lines", "csv", "parquet", "files");
        var command = new CliCommand(
            "batch",
            "Run an endpoint over every item of an input, on the server, whatever happens to it or to this program. An endpoint called like one of the commands below is not reached by it.",
            "dormouse batch iris --input flowers.csv --output labels.csv",
            "dormouse batch digits --input scans/ --output results.jsonl --max-failures 5%",
            "dormouse batch digits --input s3://scans/2026-11/ --output results.jsonl",
            "dormouse batch greet --input people.jsonl --detach",
            "dormouse batch wait 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11 --output results.jsonl")
        {
            HandlesSignals = true,
        };
        command.Add(batch._endpoint);
        foreach (var option in (Option[])[batch._input, batch._output, batch._onServer, batch._format, batch._maxFailures, batch._concurrency, batch._revision, batch._detach, batch._yes])
        {
            command.Add(option);
        }

        foreach (var job in BatchJobCommands.All(globals))
        {
            command.Add(job);
        }

        return command.Runs(globals, batch.RunAsync);
    }

    private async Task<int> RunAsync(Session session, ParseResult parsed, CancellationToken cancellationToken)
    {
        using var interruption = new BatchInterruption(cancellationToken);
        var endpoint = parsed.GetRequiredValue(_endpoint);
        var output = OutputOption.Path(parsed.GetValue(_output));
        if (output is not null && parsed.GetValue(_detach))
        {
            throw CommandException.Usage("--detach does not stay for the results; fetch them later with 'dormouse batch results ID --output FILE', and leave out --output here.");
        }

        BatchInfo job;
        try
        {
            var path = parsed.GetRequiredValue(_input);
            using var local = parsed.GetValue(_onServer) || BucketPlace.IsMeant(path) ? null : await BatchInputFile.FindAsync(session, path, parsed.GetValue(_format), interruption.Detached);
            if (!await AgreesAsync(session, parsed, endpoint, local?.Items, interruption.Detached))
            {
                session.Screen.Note("Nothing was begun.");
                return ExitCodes.Failed;
            }

            job = await session.Client.Batches.CreateAsync(
                new BatchRequest
                {
                    Endpoint = endpoint,
                    Input = local is null ? new BatchInputRequest { Path = path, Format = parsed.GetValue(_format) } : await local.SendAsync(session, interruption.Detached),
                    Revision = parsed.GetValue(_revision),
                    Concurrency = parsed.GetValue(_concurrency),
                    MaxFailures = parsed.GetValue(_maxFailures),
                },
                interruption.Detached);
        }
        catch (OperationCanceledException) when (interruption.Detached.IsCancellationRequested)
        {
            // What was uploaded stays on the server, and the same command goes on there.
            return ExitCodes.Interrupted;
        }

        if (parsed.GetValue(_detach))
        {
            if (session.Screen.IsJson)
            {
                BatchReport.Write(session, job);
            }
            else
            {
                session.Screen.Line(job.Id);
            }

            return ExitCodes.Done;
        }

        session.Screen.Note($"Batch job {job.Id} has begun. Ctrl-C leaves it running.");
        return await BatchWatch.RunAsync(session, job, output, interruption);
    }

    /// <summary>Tells what it will cost, as far as that can be known, and asks on a terminal.</summary>
    private async Task<bool> AgreesAsync(Session session, ParseResult parsed, string endpoint, long? items, CancellationToken cancellationToken)
    {
        var isAsked = session.Surroundings.IsInputTerminal && !parsed.GetValue(_yes);
        var estimate = await EstimateAsync(session, endpoint, items, cancellationToken);
        if (!isAsked)
        {
            session.Screen.Note(estimate);
            return true;
        }

        await session.Surroundings.Error.WriteAsync($"{Shown.Line(estimate)} Begin? [y/N] ");
        await session.Surroundings.Error.FlushAsync(cancellationToken);
        var answer = await session.Surroundings.In.ReadLineAsync(cancellationToken).AsTask().WaitAsync(cancellationToken);
        return answer?.Trim() is { } text && (text.Equals("y", StringComparison.OrdinalIgnoreCase) || text.Equals("yes", StringComparison.OrdinalIgnoreCase));
    }

    private static async Task<string> EstimateAsync(Session session, string endpoint, long? items, CancellationToken cancellationToken)
    {
        var usage = await session.Client.Usage.ReportAsync("endpoint", endpoint, session.Surroundings.Time.GetUtcNow().AddDays(-EstimateDays), null, cancellationToken);
        var count = items is { } known ? string.Create(CultureInfo.InvariantCulture, $"About {Units.Count(known)} {(known == 1 ? "item" : "items")}. ") : "";
        // Time that provisioned instances were there is paid for anyway.
        var calls = usage.Rows.Where(r => r.Line is not "provisioned_time").ToList();
        var invocations = calls.Sum(r => r.Invocations);
        if (invocations == 0)
        {
            return $"{count}What it will cost is not known: {endpoint} was not called in the last {EstimateDays} days.";
        }

        var pico = calls.Aggregate(Int128.Zero, (sum, r) => sum + Int128.Parse(r.PricePico, CultureInfo.InvariantCulture));
        var each = pico / invocations;
        var total = items is { } n ? $"about {PicoMoney.Format(each * n)} {usage.Currency} in all, " : "";
        return string.Create(CultureInfo.InvariantCulture, $"{count}Cost: {total}{PicoMoney.Format(each)} {usage.Currency} an item, as {Units.Count(invocations)} calls of the last {EstimateDays} days did on average.");
    }
}
