using System.CommandLine;
using System.Reflection;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Hosting;

/// <summary><c>dormouse version</c>.</summary>
internal static class VersionCommand
{
    /// <summary>Version of this program, without the source's hash.</summary>
    public static string Own { get; } =
        typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown";

    public static Command Create(GlobalOptions globals) =>
        new CliCommand("version", "Show the version of this program and of the server, when one answers.", "dormouse version", "dormouse version --output json")
            .Runs(globals, async (session, _, cancellationToken) =>
            {
                var server = await ServerVersionAsync(session, cancellationToken);
                if (session.Screen.IsJson)
                {
                    session.Screen.Json(new VersionDocument(Own, server), CliJson.Default.VersionDocument);
                    return;
                }

                session.Screen.Line("dormouse " + Own);
                session.Screen.Line(server is null
                    ? $"server   none answers at {session.Location.Address.GetLeftPart(UriPartial.Authority)}"
                    : $"server   {server.Version} ({server.Runtime}{(server.Engine is { } engine ? ", " + engine : "")})");
            });

    /// <summary>Null when no server answers or it wants another key: the version of this program is the question.</summary>
    private static async Task<VersionInfo?> ServerVersionAsync(Session session, CancellationToken cancellationToken)
    {
        try
        {
            return await session.Client.VersionAsync(cancellationToken);
        }
        catch (DormouseException)
        {
            return null;
        }
    }
}
