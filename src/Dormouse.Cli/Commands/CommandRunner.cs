using System.Net;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Protocol.Problems;

namespace Dormouse.Cli.Commands;

/// <summary>The one place where what went wrong becomes a sentence and an exit code.</summary>
internal static class CommandRunner
{
    public static async Task<int> RunAsync(Session session, Func<Session, Task<int>> body, CancellationToken cancellationToken)
    {
        using (session)
        {
            try
            {
                return await body(session);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return ExitCodes.Interrupted;
            }
            catch (CommandException e)
            {
                session.Screen.Error(new ProblemDocument { Title = "The command failed", Detail = e.Message, Code = e.Code });
                return e.ExitCode;
            }
            catch (DormouseException e)
            {
                session.Screen.Error(e.Problem, Hint(e, session));
                return ExitCodes.Of(e);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                session.Screen.Error(new ProblemDocument { Title = "A file cannot be used", Detail = e.Message, Code = "file_failed" });
                return ExitCodes.Failed;
            }
            catch (Exception e)
            {
                // The top of the program: a person must get a sentence, not a stack trace, also for a fault of ours.
                session.Screen.Error(new ProblemDocument
                {
                    Title = "Something went wrong",
                    Detail = $"Unexpected {e.GetType().Name}: {e.Message}",
                    Code = "command_failed",
                });
                return ExitCodes.Failed;
            }
        }
    }

    private static string? Hint(DormouseException e, Session session) => e switch
    {
        ServerUnreachableException { IsUntrusted: true } => "Name the file of the authority that signed it with SSL_CERT_FILE, and call the server by a name that is in the certificate.",
        ServerUnreachableException => "Start one with 'dormouse serve', or say where it is with --server or DORMOUSE_SERVER.",
        // By status: an answer to HEAD has no document that names a code.
        { Status: HttpStatusCode.Unauthorized } when session.Location.Key is null => "Give a key with --key or DORMOUSE_API_KEY. The local server's own key is used when its data folder (DORMOUSE_DATA) can be read.",
        { Status: HttpStatusCode.Unauthorized } => $"The key came from: {session.Location.KeyFrom}.",
        { Problem.Code: "endpoint_unloaded" } => "'dormouse load NAME' makes it serve again.",
        { RetryAfter: { } wait } when wait > TimeSpan.Zero => $"Try again in {Units.Number(Math.Ceiling(wait.TotalSeconds))} s.",
        _ => null,
    };
}
