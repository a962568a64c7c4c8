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
        // Longer than a busy machine takes to send three and to kill the server: an attempt that the receiver lets pass is one, and the third comes minutes later.
        var environment = new Dictionary<string, string> { ["DORMOUSE_DESTINATIONS__ALLOW_NETWORKS"] = "127.0.0.0/8", ["DORMOUSE_DESTINATIONS__TIMEOUT"] = "30s" };
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
}
