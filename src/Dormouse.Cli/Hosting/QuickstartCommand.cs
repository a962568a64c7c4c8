using System.CommandLine;
using System.Runtime.CompilerServices;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Server.Hosting;

namespace Dormouse.Cli.Hosting;

/// <summary><c>dormouse quickstart</c>: the whole product once, on a model that means something to a person.</summary>
internal static class QuickstartCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var once = new Option<bool>("--once") { Description = "End when the table is printed." };
        var command = new CliCommand(
            "quickstart",
            "Start a server, deploy a small model, call it from zero and warm, let it fall back to zero, and show what each call cost.",
            "dormouse quickstart",
            "dormouse quickstart --once") { once };
        command.HandlesSignals = true;
        return command.Runs(globals, (session, parsed, cancellationToken) => RunAsync(session, parsed.GetValue(once), cancellationToken));
    }

    /// <summary>Apart and not inlined, so that no other command loads the server.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<int> RunAsync(Session session, bool once, CancellationToken cancellationToken)
    {
        using var interruption = new Interruption(cancellationToken);
        try
        {
            await using var server = await QuickstartServer.OpenAsync(session, interruption.Token);
            session.Use(server.Location);
            await new QuickstartTour(session, server.KeyText).RunAsync(interruption.Token);
            if (!once && server.IsOwn)
            {
                session.Screen.Note($"Serving at {server.Location.Address.GetLeftPart(UriPartial.Authority)}. Ctrl-C ends it.");
                await UntilInterruptedAsync(session, interruption.Token);
            }

            return ExitCodes.Done;
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            // In mid-tour: nothing was shown that anybody could take for its end.
            return ExitCodes.Interrupted;
        }
        catch (ServerStartException e)
        {
            throw ServeCommand.Explained(e);
        }
    }

    private static async Task UntilInterruptedAsync(Session session, CancellationToken cancellationToken)
    {
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, session.Surroundings.Time, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The wished end: the server stops cleanly and the exit code is 0.
        }
    }
}
