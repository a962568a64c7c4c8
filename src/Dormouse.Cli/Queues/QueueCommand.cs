using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Queues;

/// <summary><c>dormouse queue list | depth | redrive</c>: the asynchronous invocations of one endpoint, or of all.</summary>
internal static class QueueCommand
{
    private static readonly string[] States = ["queued", "running", "succeeded", "failed", "dead", "cancelled", "expired"];

    public static Command Create(GlobalOptions globals) => new CliCommand(
        "queue", "List asynchronous invocations, show how long the queues are, and run dead letters anew.", "dormouse queue list digits --state dead", "dormouse queue depth", "dormouse queue redrive digits")
    {
        CreateList(globals), CreateDepth(globals), CreateRedrive(globals),
    };

    /// <summary><c>3 queued (the oldest for 12 s), 2 running, 1 dead letter</c></summary>
    public static string Sentence(EndpointQueueInfo queue)
    {
        var age = queue.OldestSeconds is null ? "" : $" (the oldest for {Age(queue)})";
        return $"{Units.Count(queue.Queued)} queued{age}, {Units.Count(queue.Running)} running, {Units.Count(queue.Dead)} dead {(queue.Dead == 1 ? "letter" : "letters")}";
    }

    /// <summary>How long the one that is due longest has waited; empty when none is due.</summary>
    private static string Age(EndpointQueueInfo queue) => queue.OldestSeconds is { } seconds ? Durations.Words(TimeSpan.FromSeconds(Math.Round(seconds))) : "";

    private static CliCommand CreateList(GlobalOptions globals)
    {
        var endpoint = Endpoint();
        var state = new Option<string?>("--state") { Description = "Only these." };
        state.AcceptOnlyFromAmong(States);
        var limit = new Option<int>("--limit") { HelpName = "n", Description = "Most invocations, 1 to 1,000.", DefaultValueFactory = _ => 100 };
        return new CliCommand("list", "List asynchronous invocations, newest first.", "dormouse queue list", "dormouse queue list digits --state dead") { endpoint, state, limit }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var list = await session.Client.Queue.ListAsync(parsed.GetValue(endpoint), parsed.GetValue(state), parsed.GetValue(limit), null, cancellationToken);
                if (session.Screen.IsJson)
                {
                    session.Screen.Json(list, ControlJson.Default.QueueList);
                    return;
                }

                var time = session.Surroundings.Time;
                session.Screen.Table(
                    ["ID", "ENDPOINT", "STATE", ">ATTEMPTS", "ACCEPTED", "ENDED", "REASON"],
                    list.Invocations.Select(i => new[]
                    {
                        i.Id, i.Endpoint, i.Queue.State, string.Create(CultureInfo.InvariantCulture, $"{i.Queue.Attempts} of {i.Queue.AttemptsMax}"), Units.Time(i.Queue.AcceptedAt, time),
                        i.Queue.EndedAt is { } ended ? Units.Time(ended, time) : "", i.Queue.Reason ?? "",
                    }));
                if (list.NextPageToken is not null)
                {
                    session.Screen.Note("There are more: narrow the list down with a name or --state, or raise --limit.");
                }
            });
    }

    private static CliCommand CreateDepth(GlobalOptions globals)
    {
        var endpoint = Endpoint();
        return new CliCommand("depth", "Show how many invocations of each endpoint wait, for how long, and how many run or are dead letters.", "dormouse queue depth", "dormouse queue depth digits") { endpoint }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var list = await session.Client.Queue.DepthsAsync(parsed.GetValue(endpoint), cancellationToken);
                if (session.Screen.IsJson)
                {
                    session.Screen.Json(list, ControlJson.Default.QueueDepthList);
                    return;
                }

                session.Screen.Table(
                    ["ENDPOINT", ">QUEUED", ">OLDEST FOR", ">RUNNING", ">DEAD"],
                    list.Endpoints.Select(e => new[] { e.Endpoint, Units.Count(e.Queue.Queued), Age(e.Queue), Units.Count(e.Queue.Running), Units.Count(e.Queue.Dead) }));
            });
    }

    private static CliCommand CreateRedrive(GlobalOptions globals)
    {
        var endpoint = Endpoint();
        var limit = new Option<int?>("--limit") { HelpName = "n", Description = "Most dead letters, 1 to 10,000. Default: 1,000." };
        return new CliCommand("redrive", "Run dead letters anew, the oldest first.", "dormouse queue redrive digits", "dormouse queue redrive --limit 10") { endpoint, limit }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var answer = await session.Client.Queue.RedriveDeadAsync(parsed.GetValue(endpoint), parsed.GetValue(limit), cancellationToken);
                if (session.Screen.IsJson)
                {
                    session.Screen.Json(answer, ControlJson.Default.RedriveAnswer);
                }
                else
                {
                    session.Screen.Line($"{Units.Count(answer.Redriven)} dead {(answer.Redriven == 1 ? "letter runs" : "letters run")} anew");
                }
            });
    }

    private static Argument<string?> Endpoint()
    {
        var endpoint = new Argument<string?>("name") { HelpName = "name", Description = "Only of this endpoint.", Arity = ArgumentArity.ZeroOrOne };
        Arguments.RefuseOptions(endpoint);
        return endpoint;
    }
}
