using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Endpoints;

/// <summary><c>dormouse logs N</c>.</summary>
internal static class LogsCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        name.Arity = ArgumentArity.ZeroOrOne;
        name.Description = "Name of the endpoint; may be left out with --invocation.";
        var invocation = new Option<string?>("--invocation") { HelpName = "id", Description = "Only what this invocation wrote. Lines of Python functions say which it was." };
        var follow = new Option<bool>("--follow") { Description = "Go on with what is written from now on, until Ctrl-C." };
        var tail = new Option<int?>("--tail") { HelpName = "n", Description = "How many past lines, up to 10000. Default: 100, with --since all of them." };
        var since = new Option<string?>("--since") { HelpName = "time", Description = "Only lines of so long ago or later, such as 10m or 2h, or since a time such as 2026-11-28T18:00:00Z." };
        var command = new CliCommand("logs", "Show what an endpoint's instances wrote.", "dormouse logs digits --tail 20", "dormouse logs digits --follow", "dormouse logs digits --since 10m", "dormouse logs --invocation 019aa5d2-7b41-7c52-8d51-3f5a0c1f2b77") { name, follow, tail, since, invocation };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var id = parsed.GetValue(invocation);
            var endpoint = id is null
                ? parsed.GetValue(name) ?? throw CommandException.Usage("Name an endpoint, or an invocation with --invocation ID.")
                : await EndpointOfAsync(session, id, parsed.GetValue(name), cancellationToken);
            var hasLines = false;
            var lines = session.Client.Endpoints.LogsAsync(endpoint, parsed.GetValue(tail), parsed.GetValue(follow), id, parsed.GetValue(since), cancellationToken);
            await foreach (var line in lines)
            {
                hasLines = true;
                if (session.Screen.IsJson)
                {
                    session.Screen.JsonLine(line, ControlJson.Default.LogLine);
                }
                else
                {
                    session.Screen.Line($"{Units.Time(line.At, session.Surroundings.Time)}  {Shown.Line(line.Source)}  {Shown.Line(line.Text)}");
                }

                await session.Surroundings.Out.FlushAsync(cancellationToken);
            }

            if (id is not null && !hasLines)
            {
                session.Screen.Note($"Nothing is kept of what {id} wrote: only Python functions say which invocation a line is of, and lines are kept for a time only (settings logs.…). 'dormouse logs {endpoint}' shows all lines.");
            }
        });
    }

    /// <summary>Where it ran; an id that nobody has ends the command as one that is not found.</summary>
    private static async Task<string> EndpointOfAsync(Session session, string id, string? named, CancellationToken cancellationToken)
    {
        var endpoint = (await session.Client.Usage.ReceiptAsync(id, cancellationToken)).Endpoint;
        return named is null || named == endpoint
            ? endpoint
            : throw new CommandException(ExitCodes.NotFound, "invocation_not_found", $"Invocation {id} ran on '{endpoint}', not on '{named}'. Leave the name out, or name that one.");
    }
}
