using System.Globalization;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Cli;

public sealed class KeyAndUsageCommandTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task A_key_is_made_listed_used_and_revoked()
    {
        await Server.DeployAsync("cli-key", [("model.onnx", SmallModels.Plus(1))], Cancelled);
        var made = await CommandRun.DoneAsync(Server, Cancelled, "key", "create", "laptop", "--output", "json");
        var (key, id) = (made.Json["key"]!.GetValue<string>(), made.Json["id"]!.GetValue<string>());

        var listed = await CommandRun.DoneAsync(Server, Cancelled, "key", "list");
        var used = await CommandRun.OfAsync(Server, Cancelled, "invoke", "cli-key", "--key", key, "--json", PlusCall.Body(1).ToJsonString());
        var beyond = await CommandRun.OfAsync(Server, Cancelled, "delete", "cli-key", "--yes", "--key", key);
        await CommandRun.DoneAsync(Server, Cancelled, "key", "revoke", id);
        var after = await CommandRun.OfAsync(Server, Cancelled, "invoke", "cli-key", "--key", key, "--json", PlusCall.Body(1).ToJsonString());

        Assert.StartsWith("dm_", key, StringComparison.Ordinal);
        Assert.Contains(id, listed.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(key, listed.Output, StringComparison.Ordinal);
        used.AssertExit(0);
        beyond.AssertExit(4);
        after.AssertExit(4);
    }

    [Fact]
    public async Task What_was_called_is_recorded_and_simulated()
    {
        await Server.DeployAsync("cli-record", [("model.onnx", SmallModels.Plus(1))], Cancelled);
        for (var i = 0; i < 7; i++)
        {
            await PlusCall.SendAsync(Server, "cli-record", i, Cancelled);
        }

        var file = Path.Combine(Directory.CreateTempSubdirectory("dormouse-record-").FullName, "arrivals.csv");
        await CommandRun.DoneAsync(Server, Cancelled, "record", "cli-record", "--file", file, "--from", "1h");
        var simulated = await CommandRun.DoneAsync(Server, Cancelled, "simulate", "--trace", file, "--output", "json");
        var pages = new List<string>();
        var after = "";
        do
        {
            var page = await Server.GetAsync($"/api/v1/arrivals?endpoint=cli-record&limit=3{after}", Cancelled);
            pages.AddRange(page["arrivals"]!.AsArray().Select(a => a!["at"]!.GetValue<string>()));
            after = page["next"] is { } next ? $"&after={next.GetValue<string>()}" : "";
        }
        while (after.Length > 0);

        Assert.Equal(7, simulated.Json["policies"]![0]!["answered"]!.GetValue<long>());
        Assert.Equal(7, pages.Distinct().Count());
        Assert.Equal(8, (await File.ReadAllLinesAsync(file, Cancelled)).Length);
    }

    [Fact]
    public async Task The_printed_key_alone_is_on_standard_output()
    {
        var made = await CommandRun.DoneAsync(Server, Cancelled, "key", "create", "script", "--scope", "admin");

        Assert.Matches("^dm_[a-zA-Z0-9]+_[a-zA-Z0-9_-]+\n$", made.Output);
    }

    [Fact]
    public async Task Usage_is_the_sum_of_the_receipts_as_table_and_as_document()
    {
        await Server.DeployAsync("cli-usage", [("model.onnx", SmallModels.Plus(1))], Cancelled);
        for (var i = 0; i < 5; i++)
        {
            await PlusCall.SendAsync(Server, "cli-usage", i, Cancelled);
        }

        var table = await CommandRun.DoneAsync(Server, Cancelled, "usage", "cli-usage");
        var report = await CommandRun.DoneAsync(Server, Cancelled, "usage", "cli-usage", "--output", "json");
        var hours = await CommandRun.DoneAsync(Server, Cancelled, "usage", "cli-usage", "--by", "hour", "--from", "24h");

        var receipts = (await Server.GetAsync("/api/v1/endpoints/cli-usage/invocations?limit=100", Cancelled))["invocations"]!.AsArray();
        var total = report.Json["total"]!;
        Assert.Equal(5, receipts.Count);
        Assert.Equal(5, total["invocations"]!.GetValue<long>());
        Assert.Equal(1, total["cold_starts"]!.GetValue<long>());
        Assert.Equal(receipts.Sum(r => r!["price_pico"]!.GetValue<long>()).ToString(CultureInfo.InvariantCulture), total["price_pico"]!.GetValue<string>());
        Assert.Contains("cli-usage", table.Output, StringComparison.Ordinal);
        Assert.Contains("total", table.Output, StringComparison.Ordinal);
        Assert.Contains("HOUR", hours.Output, StringComparison.Ordinal);
    }
}
