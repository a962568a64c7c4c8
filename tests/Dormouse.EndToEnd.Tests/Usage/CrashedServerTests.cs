using System.Globalization;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Usage;

/// <summary>A receipt that a caller could have seen survives SIGKILL, and totals equal the sum of the receipts to the unit.</summary>
public sealed class CrashedServerTests
{
    /// <summary>Calls of one round at most: a kill that comes late must not leave more receipts than one list shows.</summary>
    private const int CallsMax = 300;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Receipts_survive_a_killed_server_and_totals_equal_their_sum()
    {
        var data = Directory.CreateTempSubdirectory("dormouse-crash-").FullName;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var round = 0; round < 3; round++)
        {
            await using var server = await RunningServer.StartAsync(Cancelled, data);
            if (round == 0)
            {
                await Digits.DeployAsync(server, "crash", Cancelled);
            }

            using var over = new CancellationTokenSource();
            var before = Count(seen);
            var callers = Enumerable.Range(0, 4).Select(_ => Task.Run(() => CallUntilAsync(server, seen, over.Token), Cancelled)).ToArray();
            await Waiting.UntilAsync(() => Count(seen) >= before + 100, "100 calls were answered", Cancelled);
            await server.KillAsync(Cancelled);
            await over.CancelAsync();
            await Task.WhenAll(callers);
        }

        await using var restarted = await RunningServer.StartAsync(Cancelled, data);
        foreach (var id in seen)
        {
            var receipt = await restarted.GetAsync($"/api/v1/invocations/{id}", Cancelled);
            Assert.Equal("completed", receipt["outcome"]!.GetValue<string>());
        }

        var report = await restarted.GetAsync("/api/v1/usage?by=endpoint&endpoint=crash", Cancelled);
        var receipts = (await restarted.GetAsync("/api/v1/endpoints/crash/invocations?limit=1000", Cancelled))["invocations"]!.AsArray();
        var total = report["total"]!;
        Assert.InRange(receipts.Count, 300, 999);
        Assert.Equal(receipts.Count, total["invocations"]!.GetValue<long>());
        Assert.Equal(Sum(receipts, "billed_ms"), total["billed_ms"]!.GetValue<long>());
        Assert.Equal(Sum(receipts, "price_pico").ToString(CultureInfo.InvariantCulture), total["price_pico"]!.GetValue<string>());
        Assert.All(
            receipts.Where(r => r!["outcome"]!.GetValue<string>() == "server_lost"),
            r => Assert.Equal(0, r!["billed_ms"]!.GetValue<long>()));
        Assert.Superset(seen, receipts.Select(r => r!["id"]!.GetValue<string>()).ToHashSet(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_run_that_a_killed_server_left_open_has_a_receipt_that_costs_nothing()
    {
        await using var first = await RunningServer.StartAsync(Cancelled);
        await first.DeployAsync("open", [("model.onnx", SmallModels.Counter())], Cancelled, new JsonObject { ["concurrency"] = 1, ["timeout"] = "10m" });
        var answered = await CounterCall.SendAsync(first, "open", 3, Cancelled);
        Assert.Equal(3, answered.Total);
        var running = CounterCall.SendAsync(first, "open", CounterCall.Endless, Cancelled);
        await CounterCall.UntilRunningAsync(first, "open", 1, Cancelled);

        await first.KillAsync(Cancelled);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => running);
        await using var second = await RunningServer.StartAsync(Cancelled, first.Data);

        var receipts = (await second.GetAsync("/api/v1/endpoints/open/invocations", Cancelled))["invocations"]!.AsArray();
        Assert.Equal(["completed", "server_lost"], receipts.Select(r => r!["outcome"]!.GetValue<string>()).Order(StringComparer.Ordinal));
        var (lost, kept) = (receipts.Single(r => r!["outcome"]!.GetValue<string>() == "server_lost")!, receipts.Single(r => r!["outcome"]!.GetValue<string>() == "completed")!);
        Assert.Equal((0, 0), (lost["billed_ms"]!.GetValue<long>(), lost["price_pico"]!.GetValue<long>()));
        var total = (await second.GetAsync("/api/v1/usage?by=endpoint&endpoint=open", Cancelled))["total"]!;
        Assert.Equal(2, total["invocations"]!.GetValue<long>());
        Assert.Equal(kept["price_pico"]!.GetValue<long>().ToString(CultureInfo.InvariantCulture), total["price_pico"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_restarted_server_finds_endpoints_keys_and_revisions()
    {
        await using var first = await RunningServer.StartAsync(Cancelled);
        await Digits.DeployAsync(first, "kept", Cancelled);
        await Digits.DeployAsync(first, "kept", Cancelled);
        using var made = await first.PostAsync("/api/v1/keys", new JsonObject { ["name"] = "caller", ["scopes"] = new JsonArray("invoke") }, Cancelled);
        var key = JsonNode.Parse(await made.Content.ReadAsStringAsync(Cancelled))!["key"]!.GetValue<string>();
        await first.KillAsync(Cancelled);

        await using var second = await RunningServer.StartAsync(Cancelled, first.Data);

        var endpoint = await second.GetAsync("/api/v1/endpoints/kept", Cancelled);
        Assert.Equal(2, endpoint["revisions"]!.AsArray().Count);
        Assert.Equal(100, endpoint["traffic"]!["r2"]!.GetValue<int>());
        second.Http.DefaultRequestHeaders.Authorization = new("Bearer", key);
        await InferCall.SendAsync(second, "kept", [Digits.Input(3)], binary: false, Cancelled);
    }

    private static async Task CallUntilAsync(RunningServer server, HashSet<string> seen, CancellationToken over)
    {
        for (var i = 0; i < CallsMax / 4 && !over.IsCancellationRequested; i++)
        {
            try
            {
                using var request = InferCall.Request("crash", [Digits.Input(i)], binary: true);
                using var response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, over);
                if (response.IsSuccessStatusCode)
                {
                    lock (seen)
                    {
                        seen.Add(response.Headers.GetValues("Dormouse-Invocation-Id").Single());
                    }
                }

                await response.Content.ReadAsByteArrayAsync(over);
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
            {
                // The server was killed: its open calls break.
                return;
            }
        }
    }

    private static int Count(HashSet<string> seen)
    {
        lock (seen)
        {
            return seen.Count;
        }
    }

    private static long Sum(JsonArray receipts, string member) => receipts.Sum(r => r![member]!.GetValue<long>());
}
