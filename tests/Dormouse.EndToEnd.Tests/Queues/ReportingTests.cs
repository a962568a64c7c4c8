using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Functions;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Queues;

/// <summary>Outcomes that are reported and triggers that fire, with a real server that is killed.</summary>
public sealed class ReportingTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_outcome_is_reported_under_one_id_however_often_the_server_is_killed()
    {
        using var receiver = new HangingReceiver();
        var data = Directory.CreateTempSubdirectory("dormouse-report-").FullName;
        var environment = new Dictionary<string, string> { ["DORMOUSE_DESTINATIONS__ALLOW_NETWORKS"] = "127.0.0.0/8", ["DORMOUSE_DESTINATIONS__TIMEOUT"] = "5s" };
        var accepted = new List<string>();
        // It has what it was sent and says nothing, so that each kill comes in the middle of sending.
        receiver.IsHanging = true;
        foreach (var round in (int[])[1, 2])
        {
            await using var server = await RunningServer.StartAsync(Cancelled, data, environment);
            if (round == 1)
            {
                await Digits.DeployAsync(server, "digits", Cancelled);
                await CommandRun.DoneAsync(server, Cancelled, "destination", "create", "hook", "--url", receiver.Url);
                await CommandRun.DoneAsync(server, Cancelled, "destination", "use", "digits", "--on-success", "hook");
            }

            var request = Path.Combine(data, "request.json");
            await File.WriteAllTextAsync(request, $$"""{"inputs":[{{Digits.Input(3).Json(binary: false)}}]}""", Cancelled);
            for (var i = 0; i < 3; i++)
            {
                accepted.Add((await CommandRun.DoneAsync(server, Cancelled, "invoke", "digits", "--json", "@" + request, "--async")).Output.Trim());
            }

            await Waiting.UntilAsync(() => receiver.Ids.Distinct().Count() == 3 * round, "all have been sent", Cancelled);
            await server.KillAsync(Cancelled);
        }

        receiver.IsHanging = false;
        await using var last = await RunningServer.StartAsync(Cancelled, data, environment);
        foreach (var id in accepted)
        {
            await Waiting.UntilAsync(
                async () => (await last.GetAsync($"/api/v1/invocations/{id}", Cancelled))["queue"]!["deliveries"] is JsonArray { Count: 1 } deliveries && deliveries[0]!["state"]!.GetValue<string>() == "delivered",
                $"{id} is reported", Cancelled);
        }

        var ids = receiver.Ids.Distinct().ToList();
        Assert.Equal(accepted.Order(StringComparer.Ordinal), ids.Select(i => i[..i.LastIndexOf('-')]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_schedule_of_a_decorator_becomes_a_trigger_that_comes_and_goes_with_it()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        await using var server = await RunningServer.StartAsync(Cancelled);
        const string App =
            """
            import dormouse

            app = dormouse.App("clock")


            @app.function(schedule="0 3 * * *", memory="192MiB")
            def tick(sound: str = "tock") -> str:
                return sound
            """;

        var deployed = await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("app.py", App));
        var shown = await server.GetAsync("/api/v1/triggers/clock-schedule", Cancelled);
        var id = (await CommandRun.DoneAsync(server, Cancelled, "trigger", "run", "clock-schedule")).Output.Trim();
        var result = await CommandRun.DoneAsync(server, Cancelled, "invocation", "result", id, "--wait");
        await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("app.py", App.Replace("schedule=\"0 3 * * *\", ", "", StringComparison.Ordinal)));
        var left = await server.GetAsync("/api/v1/triggers", Cancelled);

        Assert.Contains("clock", deployed.Output, StringComparison.Ordinal);
        Assert.Equal(("cron", "clock", "0 3 * * *", "active"), (shown["kind"]!.GetValue<string>(), shown["endpoint"]!.GetValue<string>(), shown["source"]!["schedule"]!.GetValue<string>(), shown["state"]!.GetValue<string>()));
        Assert.Equal("tock", result.Output.Trim().Trim('"'));
        Assert.Empty(left["triggers"]!.AsArray());
    }

    /// <summary>Reads each request whole; answers 200, or nothing.</summary>
    private sealed class HangingReceiver : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly ConcurrentQueue<string> _ids = new();

        public HangingReceiver()
        {
            _listener.Start();
            _ = ServeAsync();
        }

        public volatile bool IsHanging;

        public string Url => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/hook";

        /// <summary>Of every request, as often as it came.</summary>
        public IReadOnlyList<string> Ids => [.. _ids];

        public void Dispose() => _listener.Dispose();

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    _ = AnswerAsync(await _listener.AcceptTcpClientAsync(Cancelled));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                // The test is over.
            }
        }

        private async Task AnswerAsync(TcpClient caller)
        {
            using var owned = caller;
            var text = new StringBuilder();
            var buffer = new byte[8192];
            try
            {
                int count;
                while ((count = await caller.GetStream().ReadAsync(buffer, Cancelled)) > 0)
                {
                    text.Append(Encoding.UTF8.GetString(buffer, 0, count));
                    if (text.ToString() is var whole && whole.IndexOf("\r\n\r\n", StringComparison.Ordinal) is > 0 and var end && whole.Length > end + 4 && whole.EndsWith('}'))
                    {
                        _ids.Enqueue(whole.Split("webhook-id: ")[1].Split('\r')[0]);
                        if (IsHanging)
                        {
                            await Task.Delay(Timeout.Infinite, Cancelled);
                        }

                        await caller.GetStream().WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray(), Cancelled);
                        return;
                    }
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // The server was killed, or the test is over.
            }
        }
    }
}
