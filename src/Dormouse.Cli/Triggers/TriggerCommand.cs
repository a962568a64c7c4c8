using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Endpoints;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Triggers;

/// <summary><c>dormouse trigger create | list | show | pause | resume | run | delete</c>.</summary>
internal static class TriggerCommand
{
    public static Command Create(GlobalOptions globals) => new CliCommand(
        "trigger", "What feeds endpoints' queues: schedules, CloudEvents over HTTP, folders, brokers.",
        "dormouse trigger create nightly --kind cron --endpoint report --source 'schedule=0 3 * * *' --source zone=Europe/Berlin",
        "dormouse trigger list")
    {
        CreateCreate(globals), CreateList(globals), CreateShow(globals), CreatePause(globals), CreateResume(globals), CreateRun(globals), CreateDelete(globals),
    };

    private static CliCommand CreateCreate(GlobalOptions globals)
    {
        var name = Name();
        var kind = new Option<string>("--kind") { HelpName = "kind", Description = "Where events come from: cron, http, folder, redis, nats, rabbitmq, kafka, sqs, s3 or postgres.", Required = true };
        var endpoint = new Option<string>("--endpoint") { HelpName = "name", Description = "The endpoint that runs.", Required = true };
        var source = new Option<string[]>("--source") { HelpName = "key=value", Description = "What its kind needs to know, such as schedule='0 3 * * *' or path=/srv/inbox; may be repeated." };
        var filter = new Option<string?>("--filter") { HelpName = "json", Description = "Pattern of the events that it takes, such as '{\"type\":[\"order.paid\"]}'. Default: all." };
        var input = new Option<string?>("--input") { HelpName = "json", Description = "Template of the endpoint's input, such as '{\"id\":\"$.data.order\"}'. Default: the event's data." };
        var size = new Option<int?>("--batch-size") { HelpName = "n", Description = "Most events of one invocation, 1 to 1,000. Default: 1." };
        var window = new Option<string?>("--batch-window") { HelpName = "time", Description = "How long a batch waits for more events. Default: 0s." };
        var paused = new Option<bool>("--paused") { Description = "Make it without letting it begin." };
        return new CliCommand(
            "create", "Make a trigger, or change one to what is said here.",
            "dormouse trigger create nightly --kind cron --endpoint report --source 'schedule=0 3 * * *'",
            "dormouse trigger create orders --kind http --endpoint orders --filter '{\"type\":[\"order.paid\"]}'",
            "dormouse trigger create orders --kind sqs --endpoint orders --source queue=https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
            "dormouse trigger create outbox --kind postgres --endpoint orders --source url=postgres://app@db:5432/shop --source table=outbox --source channel=outbox",
            "dormouse trigger create scans --kind s3 --endpoint ocr --source bucket=scans --source url=http://minio:9000 --source form=object")
        {
            name, kind, endpoint, source, filter, input, size, window, paused,
        }.Runs(globals, async (session, parsed, cancellationToken) => Write(session, await session.Client.Triggers.SetAsync(
            parsed.GetRequiredValue(name),
            new TriggerRequest
            {
                Kind = parsed.GetRequiredValue(kind),
                Endpoint = parsed.GetRequiredValue(endpoint),
                Source = Pairs(parsed.GetValue(source) ?? []),
                Filter = parsed.GetValue(filter),
                Input = parsed.GetValue(input),
                BatchSize = parsed.GetValue(size),
                BatchWindow = parsed.GetValue(window),
                Paused = parsed.GetValue(paused) ? true : null,
            },
            cancellationToken)));
    }

    private static CliCommand CreateList(GlobalOptions globals)
    {
        var endpoint = new Option<string?>("--endpoint") { HelpName = "name", Description = "Only those of this endpoint." };
        return new CliCommand("list", "List triggers.", "dormouse trigger list", "dormouse trigger list --endpoint report") { endpoint }.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var list = await session.Client.Triggers.ListAsync(parsed.GetValue(endpoint), cancellationToken);
            if (session.Screen.IsJson)
            {
                session.Screen.Json(list, ControlJson.Default.TriggerList);
                return;
            }

            var time = session.Surroundings.Time;
            session.Screen.Table(
                ["NAME", "KIND", "ENDPOINT", "STATE", ">FIRED", "LAST", "NEXT", "LAST ERROR"],
                list.Triggers.Select(t => new[]
                {
                    t.Name, t.Kind, t.Endpoint, t.State, t.Fired.ToString(CultureInfo.InvariantCulture), t.LastFiredAt is { } last ? Units.Time(last, time) : "",
                    t.NextAt is { } next ? Units.Time(next, time) : "", t.LastError ?? "",
                }));
        });
    }

    private static CliCommand CreateShow(GlobalOptions globals)
    {
        var name = Name();
        return new CliCommand("show", "Show a trigger.", "dormouse trigger show nightly") { name }.Runs(
            globals, async (session, parsed, cancellationToken) => Write(session, await session.Client.Triggers.GetAsync(parsed.GetRequiredValue(name), cancellationToken)));
    }

    private static CliCommand CreatePause(GlobalOptions globals)
    {
        var name = Name();
        return new CliCommand("pause", "Pull nothing more until it is resumed.", "dormouse trigger pause nightly") { name }.Runs(
            globals, async (session, parsed, cancellationToken) => Write(session, await session.Client.Triggers.PauseAsync(parsed.GetRequiredValue(name), cancellationToken)));
    }

    private static CliCommand CreateResume(GlobalOptions globals)
    {
        var name = Name();
        return new CliCommand("resume", "Pull again. Times of a schedule that passed meanwhile are not made up for.", "dormouse trigger resume nightly") { name }.Runs(
            globals, async (session, parsed, cancellationToken) => Write(session, await session.Client.Triggers.ResumeAsync(parsed.GetRequiredValue(name), cancellationToken)));
    }

    private static CliCommand CreateRun(GlobalOptions globals)
    {
        var name = Name();
        return new CliCommand("run", "Fire a trigger once now, and print the id of the invocation.", "dormouse trigger run nightly") { name }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var answer = await session.Client.Triggers.RunAsync(parsed.GetRequiredValue(name), cancellationToken);
                if (session.Screen.IsJson)
                {
                    session.Screen.Json(answer, ControlJson.Default.EventsAnswer);
                    return;
                }

                foreach (var id in answer.Invocations)
                {
                    session.Screen.Line(id);
                }
            });
    }

    private static CliCommand CreateDelete(GlobalOptions globals)
    {
        var name = Name();
        return new CliCommand("delete", "Delete a trigger. What it queued stays.", "dormouse trigger delete nightly") { name }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                await session.Client.Triggers.DeleteAsync(parsed.GetRequiredValue(name), cancellationToken);
                StopCommand.Report(session, parsed.GetRequiredValue(name), "deleted", $"{parsed.GetRequiredValue(name)} is deleted.");
            });
    }

    private static Argument<string> Name()
    {
        var name = new Argument<string>("name") { HelpName = "name", Description = "Name of the trigger." };
        Arguments.RefuseOptions(name);
        Arguments.RefuseDots(name);
        return name;
    }

    private static ImmutableSortedDictionary<string, string> Pairs(string[] texts) => texts.Select(t => Arguments.Pair("--source", t)).Aggregate(
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal), (all, pair) => pair is var (key, value) ? all.SetItem(key, value) : all);

    private static void Write(Session session, TriggerInfo trigger)
    {
        var (screen, time) = (session.Screen, session.Surroundings.Time);
        if (screen.IsJson)
        {
            screen.Json(trigger, ControlJson.Default.TriggerInfo);
            return;
        }

        screen.Line($"{trigger.Name} is {trigger.State}: a {trigger.Kind} trigger of {trigger.Endpoint}");
        foreach (var (key, value) in trigger.Source)
        {
            Pair(screen, key, value);
        }

        Pair(screen, "filter", trigger.Filter);
        Pair(screen, "input", trigger.Input);
        if (trigger.BatchSize > 1)
        {
            Pair(screen, "batch", string.Create(CultureInfo.InvariantCulture, $"up to {trigger.BatchSize} events within {trigger.BatchWindow}"));
        }

        Pair(screen, "fired", string.Create(CultureInfo.InvariantCulture, $"{trigger.Fired}{(trigger.LastFiredAt is { } at ? $", last {Units.Time(at, time)} ({trigger.LastInvocationId})" : "")}"));
        Pair(screen, "waiting", trigger.Lag is { } lag ? string.Create(CultureInfo.InvariantCulture, $"{Units.Count(lag)} in its source") : null);
        Pair(screen, "next", trigger.NextAt is { } next ? Units.Time(next, time) : null);
        Pair(screen, "last error", trigger.LastError is { } error ? $"{error} ({(trigger.LastErrorAt is { } since ? Units.Time(since, time) : "")})" : null);
    }

    private static void Pair(Screen screen, string name, string? value)
    {
        if (value is not null)
        {
            screen.Line($"  {name,-12}  {Shown.Line(value)}");
        }
    }
}
