using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Endpoints;

/// <summary><c>dormouse traffic N r3=90 r4=10</c> and <c>dormouse rollback N</c>.</summary>
internal static class TrafficCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        var weights = new Argument<string[]>("weights") { HelpName = "r3=90 r4=10", Description = "Per cent by revision; they sum to 100. None = show the traffic.", Arity = ArgumentArity.ZeroOrMore };
        Arguments.RefuseOptions(weights);
        var handover = new HandoverOptions();
        var noWait = new Option<bool>("--no-wait") { Description = "With --warm: do not wait until the traffic has moved." };
        var command = new CliCommand("traffic", "Share an endpoint's traffic out to its revisions.", "dormouse traffic digits r3=90 r4=10", "dormouse traffic digits r4=100", "dormouse traffic digits r4=100 --keep-old 10m --warm", "dormouse traffic digits") { name, weights, noWait };
        handover.AddTo(command);
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var endpoint = parsed.GetRequiredValue(name);
            var wanted = parsed.GetValue(weights) ?? [];
            var warm = handover.Read(parsed);
            if (wanted.Length == 0 && warm is not null)
            {
                throw CommandException.Usage("--warm needs the traffic to be, such as r4=100.");
            }

            var info = wanted.Length == 0
                ? await session.Client.Endpoints.GetAsync(endpoint, cancellationToken)
                : await session.Client.Endpoints.SetTrafficAsync(endpoint, Parse(wanted), warm, cancellationToken);
            Report(session, warm is not null && !parsed.GetValue(noWait) ? await HandoverReport.WaitAsync(session, endpoint, cancellationToken) : info);
        });
    }

    public static Command CreateRollback(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        var to = new Option<string?>("--to") { HelpName = "r3", Description = "Give this revision all traffic. Default: the traffic before the last change." };
        var command = new CliCommand("rollback", "Give an endpoint the traffic it had before the last change.", "dormouse rollback digits", "dormouse rollback digits --to r2") { name, to };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var revision = parsed.GetValue(to) is { } text ? RevisionName(Arguments.RevisionNumber(text)) : null;
            Report(session, await session.Client.Endpoints.RollbackAsync(parsed.GetRequiredValue(name), revision, cancellationToken));
        });
    }

    /// <summary>Weights by revision name; a usage error when they cannot be meant.</summary>
    public static ImmutableSortedDictionary<string, int> Parse(IEnumerable<string> weights)
    {
        var traffic = ImmutableSortedDictionary.CreateBuilder<string, int>(StringComparer.Ordinal);
        foreach (var text in weights)
        {
            var (revision, weight) = Arguments.Pair("A weight", text);
            var name = RevisionName(Arguments.RevisionNumber(revision));
            if (!int.TryParse(weight.TrimEnd('%'), NumberStyles.None, CultureInfo.InvariantCulture, out var percent) || percent > 100)
            {
                throw CommandException.Usage($"'{text}' is no weight; write a whole number of per cent from 0 to 100, such as {name}=10.");
            }

            if (!traffic.TryAdd(name, percent))
            {
                throw CommandException.Usage($"{name} is named twice.");
            }
        }

        var sum = traffic.Values.Sum();
        return sum == 100 ? traffic.Where(t => t.Value > 0).ToImmutableSortedDictionary(StringComparer.Ordinal) : throw CommandException.Usage($"The weights sum to {sum}; they must sum to 100.");
    }

    private static string RevisionName(int number) => "r" + number.ToString(CultureInfo.InvariantCulture);

    private static void Report(Session session, EndpointInfo endpoint)
    {
        if (session.Screen.IsJson)
        {
            session.Screen.Json(endpoint, ControlJson.Default.EndpointInfo);
            return;
        }

        foreach (var (revision, weight) in endpoint.Traffic.OrderByDescending(t => t.Value))
        {
            session.Screen.Line($"{endpoint.Name} {revision}  {weight} %");
        }

        if (endpoint.Handover is { State: "waiting" or "warming" or "keeping" } handover)
        {
            session.Screen.Line(Shown.Line(HandoverReport.Sentence(handover, session.Surroundings.Time)));
        }
    }
}
