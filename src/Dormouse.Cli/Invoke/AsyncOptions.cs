using System.CommandLine;
using System.Globalization;
using System.Net.Http.Json;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Queues;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Invoke;

/// <summary>The options of <c>invoke --async</c>, and what it prints.</summary>
internal sealed class AsyncOptions
{
    private readonly Option<bool> _wait = new("--wait") { Description = "With --async: stay until it has ended and print its answer." };
    private readonly Option<string?> _delay = new("--delay") { HelpName = "time", Description = "With --async: wait at least so long before it runs, such as 5m." };
    private readonly Option<string?> _timeToLive = new("--time-to-live") { HelpName = "time", Description = "With --async: do not begin it later than this from now, such as 1h. Default: as the server says, 24h." };
    private readonly Option<int?> _attempts = new("--attempts") { HelpName = "n", Description = "With --async: attempts in all, 1 to 25. Default: as the server says, 3." };
    private readonly Option<string?> _group = new("--group") { HelpName = "name", Description = "With --async: run it after all of the same group that were accepted before." };
    private readonly Option<string?> _key = new("--idempotency-key") { HelpName = "key", Description = "With --async: the same call with the same key is not another one, for 24 hours." };

    private readonly Option<string?> _onSuccess = new("--on-success") { HelpName = "goal", Description = "With --async: where its success is reported: a destination's name, endpoint:NAME or none. Default: as the endpoint says." };
    private readonly Option<string?> _onFailure = new("--on-failure") { HelpName = "goal", Description = "With --async: where its failure is reported. Default: as the endpoint says." };

    public Option<bool> Async { get; } = new("--async") { Description = "Queue the call and print its id; 'dormouse invocation' shows what becomes of it." };

    public IEnumerable<Option> All => [Async, _wait, _delay, _timeToLive, _attempts, _group, _key, _onSuccess, _onFailure];

    public IEnumerable<KeyValuePair<string, string>> Headers(ParseResult parsed)
    {
        var isAsync = parsed.GetValue(Async);
        foreach (var (option, header, value) in new (string, string, string?)[]
        {
            ("--delay", DormouseHeaders.Delay, parsed.GetValue(_delay)),
            ("--time-to-live", DormouseHeaders.TimeToLive, parsed.GetValue(_timeToLive)),
            ("--attempts", DormouseHeaders.Attempts, parsed.GetValue(_attempts)?.ToString(CultureInfo.InvariantCulture)),
            ("--group", DormouseHeaders.Group, parsed.GetValue(_group)),
            ("--idempotency-key", DormouseHeaders.IdempotencyKey, parsed.GetValue(_key)),
            ("--on-success", DormouseHeaders.OnSuccess, parsed.GetValue(_onSuccess)),
            ("--on-failure", DormouseHeaders.OnFailure, parsed.GetValue(_onFailure)),
            ("--wait", "", parsed.GetValue(_wait) ? "" : null),
        })
        {
            if (value is not null && !isAsync)
            {
                throw CommandException.Usage($"{option} is for calls that are queued. Add --async.");
            }

            if (value is not null && header.Length > 0)
            {
                yield return RequestHeaders.Checked(option, header, value);
            }
        }

        if (isAsync)
        {
            yield return KeyValuePair.Create(DormouseHeaders.Mode, "async");
        }
    }

    /// <summary>It was accepted: prints its id, or waits for its answer.</summary>
    public async Task FinishAsync(Session session, ParseResult parsed, HttpResponseMessage accepted, CancellationToken cancellationToken)
    {
        var info = await accepted.Content.ReadFromJsonAsync(ControlJson.Default.ReceiptInfo, cancellationToken)
            ?? throw new InvalidOperationException("The server accepted the call and named no invocation.");
        if (parsed.GetValue(_wait))
        {
            session.Screen.Note($"{info.Id} is {info.Queue?.State ?? "accepted"}; Ctrl-C stops the waiting, not the call.");
            await InvocationCommand.PrintResultAsync(session, info.Id, isWaiting: true, cancellationToken);
        }
        else if (session.Screen.IsJson)
        {
            session.Screen.Json(info, ControlJson.Default.ReceiptInfo);
        }
        else
        {
            session.Screen.Line(info.Id);
            session.Screen.Note($"It is queued. 'dormouse invocation result {info.Id} --wait' prints its answer.");
        }
    }
}
