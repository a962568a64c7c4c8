using System.Text.Json;
using Dormouse.Cli.Apply;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.Invoke;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Signatures;

namespace Dormouse.Cli.Hosting;

/// <summary>Deploy, cold call, warm calls, zero, a call from zero; then the table.</summary>
internal sealed class QuickstartTour(Session session, string keyText)
{
    private const int WarmCalls = 3;
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan ZeroLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);

    private readonly List<Call> _calls = [];

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var endpoint = await DeployAsync(cancellationToken);
        if (!endpoint.Instances.IsEmpty)
        {
            // Left warm by an earlier run: the first call below is to start from zero.
            await session.Client.Endpoints.StopAsync(endpoint.Name, cancellationToken);
        }

        session.Screen.Note($"calling {endpoint.Name} with {Path.GetFileName(BundledModel.Picture)} …");
        _calls.Add(await CallAsync(endpoint.Name, "from zero", cancellationToken));
        for (var i = 0; i < WarmCalls; i++)
        {
            _calls.Add(await CallAsync(endpoint.Name, "again", cancellationToken));
        }

        session.Screen.Note($"waiting until it is idle for {Units.Number(IdleTimeout.TotalSeconds)} s and nothing of it runs …");
        var idle = await WaitForZeroAsync(endpoint.Name, cancellationToken);
        _calls.Add(await CallAsync(endpoint.Name, "from zero", cancellationToken));
        Report(endpoint, idle);
    }

    /// <summary>The bundled model under its own name; beside it when a user has another model of that name.</summary>
    private async Task<EndpointInfo> DeployAsync(CancellationToken cancellationToken)
    {
        var source = BundledModel.Source();
        var planner = new EndpointPlanner(session);
        var wanted = new WantedEndpoint(
            BundledModel.Name, "", new RevisionSettings { IdleTimeout = $"{IdleTimeout.TotalSeconds}s" }, Verify: true, Traffic: null);
        if (await session.Client.Endpoints.FindAsync(wanted.Name, cancellationToken) is { } present && !IsOurs(present))
        {
            wanted = wanted with { Name = BundledModel.Name + "-quickstart" };
        }

        var plan = await planner.PlanAsync(wanted, source, cancellationToken);
        var deployed = await planner.CarryOutAsync(plan, cancellationToken);
        session.Screen.Note(deployed is null ? $"{wanted.Name} is deployed already" : $"{wanted.Name} {deployed.Revision.Name}: {DeployReport.Work(deployed)}");
        return await session.Client.Endpoints.GetAsync(wanted.Name, cancellationToken);
    }

    /// <summary>Made by quickstart, perhaps an older one: the same three files.</summary>
    private static bool IsOurs(EndpointInfo endpoint) =>
        endpoint.Revisions.MaxBy(r => r.Number) is not { } newest
        || newest.Files.Select(f => f.Path).ToHashSet(StringComparer.Ordinal).SetEquals(BundledModel.Source().Versions[0].Files.Select(f => f.Path));

    private async Task<Call> CallAsync(string endpoint, string step, CancellationToken cancellationToken)
    {
        using var content = new StreamContent(File.OpenRead(BundledModel.Picture)) { Headers = { ContentType = new("image/png") } };
        using var response = await session.Client.Invocations.InvokeAsync(endpoint, HttpMethod.Post, "", content, cancellationToken: cancellationToken);
        await session.Client.Invocations.EnsureSuccessAsync(response, cancellationToken);
        var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        var answer = JsonSerializer.Deserialize(body, SignatureAnswerJson.Default.LabelsAnswer)!;
        var receipt = await InvokeReport.ReceiptAsync(session, InvocationTrace.Of(response), cancellationToken)
            ?? throw CommandException.Failed("receipt_missing", "The server answered without a receipt that this key may read.");
        return new Call(step, answer, receipt);
    }

    /// <summary>How long it took until no instance was left.</summary>
    private async Task<TimeSpan> WaitForZeroAsync(string endpoint, CancellationToken cancellationToken)
    {
        var time = session.Surroundings.Time;
        var start = time.GetTimestamp();
        while (true)
        {
            var now = await session.Client.Endpoints.GetAsync(endpoint, cancellationToken);
            var elapsed = time.GetElapsedTime(start);
            if (now.Instances.IsEmpty)
            {
                return elapsed;
            }

            if (elapsed > ZeroLimit)
            {
                throw CommandException.Failed("not_idle", $"{endpoint} still has {now.Instances.Length} instance(s) after {Units.Number(elapsed.TotalSeconds)} s without a call.");
            }

            await Task.Delay(LookAgain, time, cancellationToken);
        }
    }

    private void Report(EndpointInfo endpoint, TimeSpan idle)
    {
        var address = session.Location.Address.GetLeftPart(UriPartial.Authority);
        if (session.Screen.IsJson)
        {
            session.Screen.Json(
                new QuickstartDocument(endpoint.Url, session.Location.KeyFrom, [.. _calls.Select(c => new QuickstartCallDocument(c.Step, c.Top, c.Receipt))]),
                CliJson.Default.QuickstartDocument);
            return;
        }

        var currency = _calls[0].Receipt.Currency;
        var rows = _calls.Select((c, i) => Row(i + 1, c)).ToList();
        rows.Insert(rows.Count - 1, ["", $"idle {Units.Number(idle.TotalSeconds, "0.0")} s", "", "", "", "", "0 ms", InvokeReport.Price(0), "nothing runs any more"]);
        session.Screen.Line();
        session.Screen.Table([">CALL", "KIND", ">QUEUE MS", ">START MS", ">LOAD MS", ">RUN MS", ">BILLED", ">" + currency, "ANSWER"], rows);
        session.Screen.Line();
        session.Screen.Line($"all calls: {InvokeReport.Price(_calls.Sum(c => c.Receipt.PricePico))} {currency} at {_calls[0].Receipt.MemoryMib} MiB; idle time costs nothing");
        session.Screen.Line();
        session.Screen.Line("Try it:");
        session.Screen.Line($"  curl -H \"Authorization: Bearer {keyText}\" -H 'Content-Type: image/png' --data-binary '@{BundledModel.Picture}' {address}/invoke/{endpoint.Name}");
        session.Screen.Line();
    }

    private static string[] Row(int number, Call call)
    {
        var receipt = call.Receipt;
        var kind = receipt.Start + (receipt.Start == "cold" && InvokeReport.Reason(receipt.Cause) is { } reason ? $" ({reason})" : "");
        return
        [
            Units.Count(number), kind, Units.Milliseconds(receipt.QueueMs), Units.Milliseconds(receipt.StartMs), Units.Milliseconds(receipt.LoadMs), Units.Milliseconds(receipt.RunMs),
            receipt.BilledMs + " ms", InvokeReport.Price(receipt.PricePico), call.Top,
        ];
    }

    private sealed record Call(string Step, LabelsAnswer Answer, ReceiptInfo Receipt)
    {
        /// <summary><c>7 (99.8 %)</c>.</summary>
        public string Top => $"{Answer.Labels[0].Label} ({Units.Number(100 * Answer.Labels[0].Score, "0.0")} %)";
    }
}
