using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Destinations;
using Dormouse.Cli.Invoke;
using Dormouse.Cli.Pipelines;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Queues;

/// <summary><c>dormouse invocation status | result | cancel | request | edit | redrive</c>: one asynchronous invocation.</summary>
internal static class InvocationCommand
{
    /// <summary>How long one question to the server waits; it is asked again until the invocation has ended.</summary>
    private static readonly TimeSpan WaitOnce = TimeSpan.FromSeconds(60);

    public static Command Create(GlobalOptions globals) => new CliCommand(
        "invocation", "Show, wait for, cancel, edit or run anew one asynchronous invocation.",
        "dormouse invocation status 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11",
        "dormouse invocation result 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11 --wait")
    {
        CreateStatus(globals), CreateResult(globals), CreateCancel(globals), InvocationEditCommands.CreateRequest(globals), InvocationEditCommands.CreateEdit(globals), CreateRedrive(globals),
    };

    /// <summary>Prints the kept answer like that of a call.</summary>
    /// <exception cref="DormouseException">It has no answer (yet), or its answer is a problem.</exception>
    public static async Task PrintResultAsync(Session session, string id, bool isWaiting, CancellationToken cancellationToken)
    {
        if (isWaiting)
        {
            await EndedAsync(session, id, cancellationToken);
        }

        using var response = await session.Client.Queue.ResultAsync(id, cancellationToken: cancellationToken);
        await session.Client.Invocations.EnsureSuccessAsync(response, cancellationToken);
        await InvokeReport.WriteAsync(session, response, cancellationToken);
    }

    private static CliCommand CreateStatus(GlobalOptions globals)
    {
        var (id, wait) = (Id(), Wait());
        return new CliCommand("status", "Show where an invocation stands.", "dormouse invocation status 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11 --wait") { id, wait }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var name = parsed.GetRequiredValue(id);
                Write(session, parsed.GetValue(wait) ? await EndedAsync(session, name, cancellationToken) : await session.Client.Queue.GetAsync(name, cancellationToken: cancellationToken));
            });
    }

    private static CliCommand CreateResult(GlobalOptions globals)
    {
        var (id, wait) = (Id(), Wait());
        return new CliCommand("result", "Print the answer of an invocation.", "dormouse invocation result 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11 > answer.json") { id, wait }.Runs(
            globals, (session, parsed, cancellationToken) => PrintResultAsync(session, parsed.GetRequiredValue(id), parsed.GetValue(wait), cancellationToken));
    }

    private static CliCommand CreateCancel(GlobalOptions globals)
    {
        var id = Id();
        return new CliCommand("cancel", "Cancel an invocation that waits or runs; a run under way is finished and its answer dropped.", "dormouse invocation cancel 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11") { id }.Runs(
            globals, async (session, parsed, cancellationToken) => Write(session, await session.Client.Queue.CancelAsync(parsed.GetRequiredValue(id), cancellationToken)));
    }

    private static CliCommand CreateRedrive(GlobalOptions globals)
    {
        var id = Id();
        return new CliCommand("redrive", "Run an invocation that did not succeed anew.", "dormouse invocation redrive 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11") { id }.Runs(
            globals, async (session, parsed, cancellationToken) => Write(session, await session.Client.Queue.RedriveAsync(parsed.GetRequiredValue(id), cancellationToken)));
    }

    internal static Argument<string> Id()
    {
        var id = new Argument<string>("id") { HelpName = "id", Description = "Id of the invocation, as 'invoke --async' and 'queue list' show it." };
        Arguments.RefuseOptions(id);
        Arguments.RefuseDots(id);
        return id;
    }

    private static Option<bool> Wait() => new("--wait") { Description = "Stay until it has ended." };

    private static async Task<ReceiptInfo> EndedAsync(Session session, string id, CancellationToken cancellationToken)
    {
        while (true)
        {
            var info = await session.Client.Queue.GetAsync(id, WaitOnce, cancellationToken);
            if (info.Queue is not { IsLive: true })
            {
                return info;
            }
        }
    }

    internal static void Write(Session session, ReceiptInfo info)
    {
        var (screen, time) = (session.Screen, session.Surroundings.Time);
        if (screen.IsJson)
        {
            screen.Json(info, ControlJson.Default.ReceiptInfo);
            return;
        }

        if (info.Queue is not { } queue)
        {
            screen.Line($"{info.Id} is {info.Outcome}: a call of {info.Endpoint} that was not queued");
            PartsTable.Write(screen, info);
            return;
        }

        screen.Line($"{info.Id} is {queue.State}");
        Pair(screen, "endpoint", info.Endpoint + (info.Revision.Length == 0 ? "" : " " + info.Revision));
        Pair(screen, "accepted", Units.Time(queue.AcceptedAt, time));
        Pair(screen, "attempts", string.Create(CultureInfo.InvariantCulture, $"{queue.Attempts} of {queue.AttemptsMax}"));
        Pair(screen, "priority", queue.Priority + (queue.Group is { } group ? $", group {group}" : ""));
        if (queue.NotBefore is { } begin && begin > time.GetUtcNow())
        {
            Pair(screen, "not before", Units.Time(begin, time));
        }

        if (queue.ExpiresAt is { } expires)
        {
            Pair(screen, "expires", Units.Time(expires, time));
        }

        if (queue.Reason is { } reason)
        {
            Pair(screen, "reason", reason);
        }

        if (queue.EndedAt is { } ended)
        {
            Pair(screen, "ended", Units.Time(ended, time));
        }

        foreach (var edit in queue.Edits ?? [])
        {
            Pair(screen, "edited", string.Create(CultureInfo.InvariantCulture, $"{Units.Time(edit.At, time)} by {edit.By}: {string.Join(", ", edit.Changed)}; before: dormouse invocation request {info.Id} --before {edit.Number}"));
        }

        foreach (var delivery in queue.Deliveries ?? [])
        {
            Pair(screen, "reported", DeliveryCommand.Sentence(delivery, time));
        }

        if (queue.Result is not null)
        {
            Pair(screen, "result", $"dormouse invocation result {info.Id}");
        }

        PartsTable.Write(screen, info);
    }

    private static void Pair(Screen screen, string name, string value) => screen.Line($"  {name,-10}  {Shown.Line(value)}");
}
