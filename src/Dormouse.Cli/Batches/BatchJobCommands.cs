using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Endpoints;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Batches;

/// <summary><c>dormouse batch list | show | wait | pause | resume | cancel | results | delete</c>.</summary>
internal static class BatchJobCommands
{
    private const string SomeId = "019ad0c2-7d1e-7000-8000-5f6f1c1f9a11";

    public static IEnumerable<Command> All(GlobalOptions globals) =>
    [
        CreateList(globals),
        CreateOne(globals, "show", "Show a job: how far it is and what it has cost.", (client, id, cancel) => client.GetAsync(id, cancel)),
        CreateWait(globals),
        CreateOne(globals, "pause", "Take nothing more from a job's input; what runs ends.", (client, id, cancel) => client.PauseAsync(id, cancel)),
        CreateResume(globals),
        CreateOne(globals, "cancel", "End a job; what has not run is not run, what it has is kept.", (client, id, cancel) => client.CancelAsync(id, cancel)),
        CreateResults(globals),
        CreateDelete(globals),
    ];

    private static CliCommand CreateList(GlobalOptions globals)
    {
        var endpoint = new Option<string?>("--endpoint") { HelpName = "name", Description = "Only jobs of this endpoint." };
        var state = new Option<string?>("--state") { Description = "Only these." };
        state.AcceptOnlyFromAmong("running", "paused", "failed", "cancelled", "done");
        var limit = new Option<int>("--limit") { HelpName = "n", Description = "Most jobs, 1 to 1,000.", DefaultValueFactory = _ => 100 };
        return new CliCommand("list", "List batch jobs, newest first.", "dormouse batch list", "dormouse batch list --endpoint iris --state running") { endpoint, state, limit }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var list = await session.Client.Batches.ListAsync(parsed.GetValue(endpoint), parsed.GetValue(state), parsed.GetValue(limit), null, cancellationToken);
                if (session.Screen.IsJson)
                {
                    session.Screen.Json(list, ControlJson.Default.BatchList);
                    return;
                }

                session.Screen.Table(
                    ["ID", "ENDPOINT", "INPUT", "STATE", ">SUCCEEDED", ">FAILED", ">DONE", ">COST", "BEGUN"],
                    list.Batches.Select(b => new[]
                    {
                        b.Id, b.Endpoint, b.Input.Name, b.State, Units.Count(b.Succeeded), Units.Count(b.Failed), string.Create(CultureInfo.InvariantCulture, $"{100 * BatchReport.Share(b):0} %"),
                        BatchReport.Cost(b), Units.Time(b.CreatedAt, session.Surroundings.Time),
                    }));
                if (list.NextPageToken is not null)
                {
                    session.Screen.Note("There are more: narrow the list down with --endpoint or --state, or raise --limit.");
                }
            });
    }

    private static CliCommand CreateOne(GlobalOptions globals, string name, string description, Func<BatchesClient, string, CancellationToken, Task<BatchInfo>> act)
    {
        var id = Id();
        return new CliCommand(name, description, $"dormouse batch {name} {SomeId}") { id }.Runs(
            globals, async (session, parsed, cancellationToken) => BatchReport.Write(session, await act(session.Client.Batches, parsed.GetRequiredValue(id), cancellationToken)));
    }

    private static CliCommand CreateWait(GlobalOptions globals)
    {
        var id = Id();
        var output = OutputOption.Create();
        return new CliCommand("wait", "Stay with a job until it has ended, and fetch its results.", $"dormouse batch wait {SomeId} --output results.jsonl") { id, output }.HandlingSignals().Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                using var interruption = new BatchInterruption(cancellationToken);
                var job = await session.Client.Batches.GetAsync(parsed.GetRequiredValue(id), interruption.Detached);
                return await BatchWatch.RunAsync(session, job, OutputOption.Path(parsed.GetValue(output)), interruption);
            });
    }

    private static CliCommand CreateResume(GlobalOptions globals)
    {
        var id = Id();
        var budget = new Option<string?>("--max-failures") { HelpName = "n|p%", Description = "The new error budget, of all items of the job. Default: as it was." };
        return new CliCommand("resume", "Go on with a paused or failed job.", $"dormouse batch resume {SomeId} --max-failures 20%") { id, budget }.Runs(
            globals, async (session, parsed, cancellationToken) =>
                BatchReport.Write(session, await session.Client.Batches.ResumeAsync(parsed.GetRequiredValue(id), parsed.GetValue(budget), cancellationToken)));
    }

    private static CliCommand CreateResults(GlobalOptions globals)
    {
        var id = Id();
        var output = OutputOption.Create();
        var csv = new Option<bool>("--csv") { Description = "Print them as CSV, not as JSON lines." };
        return new CliCommand("results", "Print or save a job's results as far as they are, one line an item in the order of the input.", $"dormouse batch results {SomeId}", $"dormouse batch results {SomeId} --output labels.csv") { id, output, csv }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var name = parsed.GetRequiredValue(id);
                if (OutputOption.Path(parsed.GetValue(output)) is { } path)
                {
                    session.Screen.Note($"The results are in {await BatchWatch.FetchAsync(session, await session.Client.Batches.GetAsync(name, cancellationToken), path, cancellationToken)}.");
                    return;
                }

                await using var standard = session.Surroundings.OpenOutput();
                await session.Client.Batches.ResultsAsync(name, parsed.GetValue(csv), standard, cancellationToken);
            });
    }

    private static CliCommand CreateDelete(GlobalOptions globals)
    {
        var id = Id();
        return new CliCommand("delete", "Delete a job that has ended, with its results.", $"dormouse batch delete {SomeId}") { id }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                await session.Client.Batches.DeleteAsync(parsed.GetRequiredValue(id), cancellationToken);
                StopCommand.Report(session, parsed.GetRequiredValue(id), "deleted", $"{parsed.GetRequiredValue(id)} is deleted.");
            });
    }

    private static Argument<string> Id()
    {
        var id = new Argument<string>("id") { HelpName = "id", Description = "Id of the job, as 'batch list' shows it." };
        Arguments.RefuseOptions(id);
        Arguments.RefuseDots(id);
        return id;
    }
}
