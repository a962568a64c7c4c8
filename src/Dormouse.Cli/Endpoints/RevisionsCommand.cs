using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Endpoints;

/// <summary><c>dormouse revisions N</c>.</summary>
internal static class RevisionsCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        var command = new CliCommand("revisions", "List the revisions of an endpoint, newest first.", "dormouse revisions digits") { name };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var endpoint = await session.Client.Endpoints.GetAsync(parsed.GetRequiredValue(name), cancellationToken);
            var revisions = endpoint.Revisions.OrderByDescending(r => r.Number).ToArray();
            if (session.Screen.IsJson)
            {
                session.Screen.Json(new RevisionsDocument(endpoint.Name, [.. revisions]), CliJson.Default.RevisionsDocument);
                return;
            }

            session.Screen.Table(
                ["REVISION", "STATE", ">TRAFFIC", ">SIZE", "MADE", "NOTE"],
                revisions.Select(r => new[]
                {
                    r.Name, r.State, r.Weight == 0 ? "" : $"{r.Weight} %", Units.Bytes(r.SizeBytes), Units.Time(r.CreatedAt, session.Surroundings.Time), r.Failure ?? "",
                }));
        });
    }
}
