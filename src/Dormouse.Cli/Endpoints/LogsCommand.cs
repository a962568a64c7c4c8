using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Endpoints;

/// <summary><c>dormouse logs N</c>.</summary>
internal static class LogsCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        var follow = new Option<bool>("--follow") { Description = "Go on with what is written from now on, until Ctrl-C." };
        var tail = new Option<int>("--tail") { HelpName = "n", Description = "How many past lines.", DefaultValueFactory = _ => 100 };
        var command = new CliCommand("logs", "Show what an endpoint's instances wrote.", "dormouse logs digits --tail 20", "dormouse logs digits --follow") { name, follow, tail };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var lines = session.Client.Endpoints.LogsAsync(parsed.GetRequiredValue(name), parsed.GetValue(tail), parsed.GetValue(follow), cancellationToken);
            await foreach (var line in lines)
            {
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
        });
    }
}
