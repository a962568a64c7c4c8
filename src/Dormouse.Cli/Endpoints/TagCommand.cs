using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Endpoints;

/// <summary><c>dormouse tag N stable=r3</c>.</summary>
internal static class TagCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        var tags = new Argument<string[]>("tags") { HelpName = "stable=r3", Description = "Tags and the revision that each is to address. None = show the tags.", Arity = ArgumentArity.ZeroOrMore };
        Arguments.RefuseOptions(tags);
        var delete = new Option<string[]>("--delete") { HelpName = "name", Description = "Remove this tag; may be repeated." };
        var command = new CliCommand(
            "tag",
            "Name revisions of an endpoint, so that callers can address one whatever the traffic says.",
            "dormouse tag digits stable=r3",
            "dormouse tag digits --delete stable",
            "dormouse tag digits",
            "dormouse invoke digits --revision stable --json @request.json") { name, tags, delete };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var endpoint = parsed.GetRequiredValue(name);
            var wanted = (parsed.GetValue(tags) ?? []).Select(Parse).ToArray();
            var unwanted = parsed.GetValue(delete) ?? [];
            if (wanted.Select(w => w.Tag).Concat(unwanted).GroupBy(t => t).FirstOrDefault(g => g.Count() > 1) is { Key: var twice })
            {
                throw CommandException.Usage($"The tag '{twice}' is named twice.");
            }

            foreach (var (tag, revision) in wanted)
            {
                await session.Client.Endpoints.SetTagAsync(endpoint, tag, revision, cancellationToken);
            }

            foreach (var tag in unwanted)
            {
                await session.Client.Endpoints.DeleteTagAsync(endpoint, tag, cancellationToken);
            }

            Report(session, await session.Client.Endpoints.GetAsync(endpoint, cancellationToken));
        });
    }

    private static (string Tag, string Revision) Parse(string text)
    {
        var (tag, revision) = Arguments.Pair("A tag", text);
        return TagRules.Refusal(tag) is { } refusal
            ? throw new CommandException(ExitCodes.Refused, "name_invalid", refusal)
            : (tag, "r" + Arguments.RevisionNumber(revision).ToString(CultureInfo.InvariantCulture));
    }

    private static void Report(Session session, EndpointInfo endpoint)
    {
        if (session.Screen.IsJson)
        {
            session.Screen.Json(endpoint, ControlJson.Default.EndpointInfo);
            return;
        }

        if (endpoint.Tags is not { Count: > 0 } tags)
        {
            session.Screen.Note($"{endpoint.Name} has no tags.");
            return;
        }

        foreach (var (tag, revision) in tags)
        {
            session.Screen.Line($"{endpoint.Name} {tag}  {revision}");
        }
    }
}
