using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Endpoints;

/// <summary><c>dormouse list</c>.</summary>
internal static class ListCommand
{
    public static Command Create(GlobalOptions globals) =>
        new CliCommand("list", "List the endpoints.", "dormouse list", "dormouse list --output json") { Aliases = { "ls" } }
            .Runs(globals, async (session, _, cancellationToken) =>
            {
                var list = await session.Client.Endpoints.ListAsync(cancellationToken);
                if (session.Screen.IsJson)
                {
                    session.Screen.Json(list, ControlJson.Default.EndpointList);
                }
                else if (list.Endpoints.IsEmpty)
                {
                    session.Screen.Note("There are no endpoints yet. 'dormouse deploy model.onnx' makes one.");
                }
                else
                {
                    session.Screen.Table(["NAME", "STATUS", "TRAFFIC", "ACCESS", "URL"], list.Endpoints.Select(e => new[] { e.Name, e.Status, Traffic(e), e.Public ? "public" : "key", e.Url }));
                }
            });

    /// <summary><c>r3</c> alone, or <c>r3 90 %, r4 10 %</c>.</summary>
    public static string Traffic(EndpointInfo endpoint) => endpoint.Traffic.Count switch
    {
        0 => "none",
        1 => endpoint.Traffic.First().Key,
        _ => string.Join(", ", endpoint.Traffic.Select(t => $"{t.Key} {t.Value} %")),
    };
}
