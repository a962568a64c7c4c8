using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Destinations;

/// <summary><c>dormouse delivery list | redrive</c>.</summary>
internal static class DeliveryCommand
{
    public static Command Create(GlobalOptions globals) => new CliCommand(
        "delivery", "List outcomes on their way to destinations, and send dead ones again.", "dormouse delivery list --state dead", "dormouse delivery redrive --to orders")
    {
        CreateList(globals), CreateRedrive(globals),
    };

    /// <summary><c>to orders: delivered (200, attempt 2)</c></summary>
    public static string Sentence(DeliveryInfo delivery, TimeProvider time)
    {
        var attempts = string.Create(CultureInfo.InvariantCulture, $"{delivery.Attempts} {(delivery.Attempts == 1 ? "attempt" : "attempts")}");
        var next = delivery.NextAt is { } at && at > time.GetUtcNow() ? ", again " + Units.Time(at, time) : "";
        return $"to {delivery.To}: {delivery.State} ({attempts}{next}){(delivery.Reason is { } reason ? ": " + reason : "")}";
    }

    private static CliCommand CreateList(GlobalOptions globals)
    {
        var to = To();
        var state = new Option<string?>("--state") { Description = "Only these." };
        state.AcceptOnlyFromAmong("pending", "delivered", "dead");
        var limit = new Option<int>("--limit") { HelpName = "n", Description = "Most deliveries, 1 to 1,000.", DefaultValueFactory = _ => 100 };
        return new CliCommand("list", "List deliveries, newest first.", "dormouse delivery list", "dormouse delivery list --to orders --state dead") { to, state, limit }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var list = await session.Client.Destinations.DeliveriesAsync(parsed.GetValue(to), parsed.GetValue(state), parsed.GetValue(limit), null, cancellationToken);
                if (session.Screen.IsJson)
                {
                    session.Screen.Json(list, ControlJson.Default.DeliveryList);
                    return;
                }

                var time = session.Surroundings.Time;
                session.Screen.Table(
                    [">NUMBER", "INVOCATION", "OUTCOME", "TO", "STATE", ">ATTEMPTS", "CREATED", "REASON"],
                    list.Deliveries.Select(d => new[]
                    {
                        d.Number.ToString(CultureInfo.InvariantCulture), d.InvocationId, d.Outcome, d.To, d.State, d.Attempts.ToString(CultureInfo.InvariantCulture), Units.Time(d.CreatedAt, time), d.Reason ?? "",
                    }));
                if (list.NextPageToken is not null)
                {
                    session.Screen.Note("There are more: narrow the list down with --to or --state, or raise --limit.");
                }
            });
    }

    private static CliCommand CreateRedrive(GlobalOptions globals)
    {
        var number = new Argument<long?>("number") { HelpName = "number", Description = "Only this one, by its number in the list.", Arity = ArgumentArity.ZeroOrOne };
        var to = To();
        var limit = new Option<int?>("--limit") { HelpName = "n", Description = "Most deliveries, 1 to 10,000. Default: 1,000." };
        return new CliCommand("redrive", "Send dead deliveries again, the oldest first.", "dormouse delivery redrive 17", "dormouse delivery redrive --to orders") { number, to, limit }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var answer = await session.Client.Destinations.RedriveAsync(
                    new RedriveDeliveriesRequest { Number = parsed.GetValue(number), To = parsed.GetValue(to), Limit = parsed.GetValue(limit) }, cancellationToken);
                if (session.Screen.IsJson)
                {
                    session.Screen.Json(answer, ControlJson.Default.RedriveAnswer);
                }
                else
                {
                    session.Screen.Line($"{Units.Count(answer.Redriven)} {(answer.Redriven == 1 ? "delivery is" : "deliveries are")} sent again");
                }
            });
    }

    private static Option<string?> To() => new("--to") { HelpName = "goal", Description = "Only those to this destination, or to endpoint:NAME." };
}
