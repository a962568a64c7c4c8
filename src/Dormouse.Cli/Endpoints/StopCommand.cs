using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Endpoints;

/// <summary><c>dormouse stop N</c>, <c>dormouse load N</c> and <c>dormouse delete N</c>.</summary>
internal static class StopCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        var command = new CliCommand("stop", "Drain an endpoint to zero; the next call starts it again.", "dormouse stop digits") { name };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var endpoint = parsed.GetRequiredValue(name);
            await session.Activity.RunAsync($"draining {endpoint}", async () =>
            {
                await session.Client.Endpoints.StopAsync(endpoint, cancellationToken);
                return true;
            });
            Report(session, endpoint, "stopped", $"{endpoint} is stopped: nothing of it runs until the next call");
        });
    }

    public static Command CreateLoad(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        var command = new CliCommand("load", "Serve an endpoint again that was unloaded through the inference protocol.", "dormouse load digits") { name };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var endpoint = parsed.GetRequiredValue(name);
            await session.Client.Endpoints.LoadAsync(endpoint, cancellationToken);
            Report(session, endpoint, "loaded", $"{endpoint} is loaded: it takes calls");
        });
    }

    public static Command CreateDelete(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask." };
        var command = new CliCommand("delete", "Delete an endpoint and its revisions. Its receipts stay.", "dormouse delete digits", "dormouse delete digits --yes") { name, yes };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var endpoint = parsed.GetRequiredValue(name);
            if (!parsed.GetValue(yes) && !await AskAsync(session, endpoint, cancellationToken))
            {
                session.Screen.Note("Nothing was deleted.");
                return ExitCodes.Failed;
            }

            await session.Client.Endpoints.DeleteAsync(endpoint, cancellationToken);
            Report(session, endpoint, "deleted", $"{endpoint} is deleted");
            return ExitCodes.Done;
        });
    }

    private static async Task<bool> AskAsync(Session session, string endpoint, CancellationToken cancellationToken)
    {
        if (!session.Surroundings.IsInputTerminal)
        {
            throw CommandException.Usage($"Deleting '{endpoint}' needs --yes when nobody can be asked.");
        }

        var found = await session.Client.Endpoints.GetAsync(endpoint, cancellationToken);
        await session.Surroundings.Error.WriteAsync($"Delete {Shown.Line(endpoint)} and its {found.Revisions.Length} revision(s)? [y/N] ");
        await session.Surroundings.Error.FlushAsync(cancellationToken);
        var answer = await session.Surroundings.In.ReadLineAsync(cancellationToken);
        return answer?.Trim() is { } text && (text.Equals("y", StringComparison.OrdinalIgnoreCase) || text.Equals("yes", StringComparison.OrdinalIgnoreCase));
    }

    public static void Report(Session session, string name, string done, string sentence)
    {
        if (session.Screen.IsJson)
        {
            session.Screen.Json(new DoneDocument(name, done), CliJson.Default.DoneDocument);
        }
        else
        {
            session.Screen.Line(sentence);
        }
    }
}
