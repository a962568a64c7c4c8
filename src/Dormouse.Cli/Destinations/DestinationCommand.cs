using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Endpoints;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Destinations;

/// <summary><c>dormouse destination create | list | show | use | rotate | enable | delete</c>.</summary>
internal static class DestinationCommand
{
    public static Command Create(GlobalOptions globals) => new CliCommand(
        "destination", "Addresses that outcomes of asynchronous invocations are sent to.",
        "dormouse destination create orders --url https://hooks.example.com/orders",
        "dormouse destination use digits --on-success orders --on-failure endpoint:cleanup")
    {
        CreateCreate(globals), CreateList(globals), CreateShow(globals), CreateUse(globals), CreateRotate(globals), CreateEnable(globals), CreateDelete(globals),
    };

    private static CliCommand CreateCreate(GlobalOptions globals)
    {
        var name = Name();
        var url = new Option<string>("--url") { HelpName = "address", Description = "http:// or https:// address that outcomes are posted to, or one of a broker that the operator allows: nats://broker:4222/subject, redis://…/stream, kafka://…/topic, amqp://…/vhost?exchange=…, sqs+https://…/queue.", Required = true };
        var form = new Option<string?>("--form") { Description = "How they are written: a signed JSON document, or a CloudEvent in the binary form, the structured one, or in a batch of one. Default: webhook." };
        form.AcceptOnlyFromAmong("webhook", "cloudevents", "cloudevents-structured", "cloudevents-batch");
        var secret = Secret();
        return new CliCommand("create", "Make a destination. Its secret is shown this once.", "dormouse destination create orders --url https://hooks.example.com/orders",
            "dormouse destination create bus --url nats://broker:4222/outcomes.digits --form cloudevents") { name, url, form, secret }.Runs(
            globals, async (session, parsed, cancellationToken) => WriteSecret(session, await session.Client.Destinations.CreateAsync(
                new CreateDestinationRequest { Name = parsed.GetRequiredValue(name), Url = parsed.GetRequiredValue(url), Form = parsed.GetValue(form), Secret = parsed.GetValue(secret) }, cancellationToken)));
    }

    private static CliCommand CreateList(GlobalOptions globals) =>
        new CliCommand("list", "List destinations.", "dormouse destination list").Runs(globals, async (session, _, cancellationToken) =>
        {
            var list = await session.Client.Destinations.ListAsync(cancellationToken);
            if (session.Screen.IsJson)
            {
                session.Screen.Json(list, ControlJson.Default.DestinationList);
                return;
            }

            session.Screen.Table(
                ["NAME", "FORM", "URL", "ENDPOINTS", "STATE"],
                list.Destinations.Select(d => new[] { d.Name, d.Form, d.Url, string.Join(' ', d.Endpoints), d.DisabledReason is null ? "in use" : "disabled" }));
        });

    private static CliCommand CreateShow(GlobalOptions globals)
    {
        var name = Name();
        return new CliCommand("show", "Show a destination.", "dormouse destination show orders") { name }.Runs(
            globals, async (session, parsed, cancellationToken) => Write(session, await session.Client.Destinations.GetAsync(parsed.GetRequiredValue(name), cancellationToken)));
    }

    private static CliCommand CreateUse(GlobalOptions globals)
    {
        var endpoint = Arguments.Endpoint();
        var success = new Option<string?>("--on-success") { HelpName = "goal", Description = "Where successes go: a destination's name, endpoint:NAME or none. Default: as it is." };
        var failure = new Option<string?>("--on-failure") { HelpName = "goal", Description = "Where failures, dead letters and expired ones go. Default: as it is." };
        return new CliCommand(
            "use", "Say where the outcomes of an endpoint's asynchronous invocations go.",
            "dormouse destination use digits --on-success orders", "dormouse destination use digits --on-success none --on-failure endpoint:cleanup") { endpoint, success, failure }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var name = parsed.GetRequiredValue(endpoint);
                var info = await session.Client.Endpoints.GetAsync(name, cancellationToken);
                if (parsed.GetValue(success) is not null || parsed.GetValue(failure) is not null)
                {
                    info = await session.Client.Destinations.UseAsync(name, parsed.GetValue(success) ?? info.OnSuccess, parsed.GetValue(failure) ?? info.OnFailure, cancellationToken);
                }

                if (session.Screen.IsJson)
                {
                    session.Screen.Json(info, ControlJson.Default.EndpointInfo);
                }
                else
                {
                    session.Screen.Line($"{info.Name} reports {Sentence(info)}");
                }
            });
    }

    /// <summary><c>successes to orders, failures to endpoint:cleanup</c></summary>
    public static string Sentence(EndpointInfo endpoint) => $"successes to {endpoint.OnSuccess ?? "nobody"}, failures to {endpoint.OnFailure ?? "nobody"}";

    private static CliCommand CreateRotate(GlobalOptions globals)
    {
        var (name, secret) = (Name(), Secret());
        var overlap = new Option<string?>("--overlap") { HelpName = "time", Description = "How long the old secret signs beside the new one, up to 30d. Default: 24h." };
        return new CliCommand("rotate", "Sign with a new secret, for a while with the old one as well. The new one is shown this once.", "dormouse destination rotate orders --overlap 48h") { name, secret, overlap }.Runs(
            globals, async (session, parsed, cancellationToken) => WriteSecret(session, await session.Client.Destinations.RotateAsync(
                parsed.GetRequiredValue(name), new RotateRequest { Overlap = parsed.GetValue(overlap), Secret = parsed.GetValue(secret) }, cancellationToken)));
    }

    private static CliCommand CreateEnable(GlobalOptions globals)
    {
        var name = Name();
        return new CliCommand("enable", "Send to a destination again that answered 410.", "dormouse destination enable orders") { name }.Runs(
            globals, async (session, parsed, cancellationToken) => Write(session, await session.Client.Destinations.EnableAsync(parsed.GetRequiredValue(name), cancellationToken)));
    }

    private static CliCommand CreateDelete(GlobalOptions globals)
    {
        var name = Name();
        return new CliCommand("delete", "Delete a destination that no endpoint uses.", "dormouse destination delete orders") { name }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                await session.Client.Destinations.DeleteAsync(parsed.GetRequiredValue(name), cancellationToken);
                StopCommand.Report(session, parsed.GetRequiredValue(name), "deleted", $"{parsed.GetRequiredValue(name)} is deleted.");
            });
    }

    private static Argument<string> Name()
    {
        var name = new Argument<string>("name") { HelpName = "name", Description = "Name of the destination." };
        Arguments.RefuseOptions(name);
        Arguments.RefuseDots(name);
        return name;
    }

    private static Option<string?> Secret() => new("--secret") { HelpName = "whsec_…", Description = "The secret that signs: whsec_ and base64 of 24 to 64 bytes. Default: the server draws one." };

    private static void WriteSecret(Session session, DestinationInfo info)
    {
        Write(session, info);
        if (!session.Screen.IsJson && info.Secret is not null)
        {
            session.Screen.Note("The secret is shown this once; whoever receives what is sent checks its signature with it.");
        }
    }

    private static void Write(Session session, DestinationInfo info)
    {
        if (session.Screen.IsJson)
        {
            session.Screen.Json(info, ControlJson.Default.DestinationInfo);
            return;
        }

        session.Screen.Line($"{info.Name} is a {info.Form} destination: {Shown.Line(info.Url)}");
        if (info.Secret is { } secret)
        {
            session.Screen.Line($"  secret     {secret}");
        }

        if (info.OldSecretUntil is { } until)
        {
            session.Screen.Line($"  old secret signs until {Units.Time(until, session.Surroundings.Time)}");
        }

        if (!info.Endpoints.IsEmpty)
        {
            session.Screen.Line($"  endpoints  {string.Join(' ', info.Endpoints)}");
        }

        if (info.DisabledReason is { } reason)
        {
            session.Screen.Line($"  disabled   {Shown.Line(reason)} ('dormouse destination enable {info.Name}')");
        }
    }
}
