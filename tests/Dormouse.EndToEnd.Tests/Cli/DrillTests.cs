using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Cli;

public sealed class DrillTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_short_drill_loses_duplicates_mistakes_and_delays_nothing()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);

        // How quick this machine is, with other tests beside it, is not what is asked here.
        var run = await CommandRun.OfAsync(server, Cancelled, "drill", "--minutes", "0.3", "--deadline", "60s", "--output", "json");

        TestContext.Current.TestOutputHelper?.WriteLine(run.Output);
        run.AssertExit(0);
        var total = run.Json["total"]!;
        var ledger = run.Json["ledger"]!;
        Assert.Equal((0, 0, 0), (Number(total, "lost"), Number(total, "wrong"), Number(total, "late")));
        Assert.Equal((0, 0), (Number(ledger, "duplicated"), Number(ledger, "unaccounted")));
        Assert.Null(ledger["difference"]);
        Assert.Empty(run.Json["broken"]!.AsArray());
        Assert.Empty(run.Json["skipped"]!.AsArray());
        // It did what it is for.
        Assert.Equal(["from zero", "burst", "redeploy", "traffic split", "rollback", "drain", "kill", "mirror", "provisioned", "overflow", "canary", "handover"], run.Json["acts"]!.AsArray().Select(a => a!["act"]!.GetValue<string>()));
        Assert.InRange(Number(run.Json, "revisions"), 2, int.MaxValue);
        Assert.InRange(Number(run.Json, "killed"), 1, int.MaxValue);
        Assert.InRange(Number(total, "cold"), 1, int.MaxValue);
        Assert.Empty((await server.GetAsync("/api/v1/endpoints", Cancelled))["endpoints"]!.AsArray());
    }

    [Fact]
    public async Task An_interrupted_drill_deletes_its_endpoint()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);
        var drill = CommandRun.OfAsync(server, Cancelled, "drill", "--minutes", "60");
        await Waiting.UntilAsync(
            async () => (await server.GetAsync("/api/v1/endpoints", Cancelled))["endpoints"]!.AsArray() is [{ } endpoint] && endpoint["status"]!.GetValue<string>() == "ready",
            "the drill calls its endpoint",
            Cancelled);

        Processes.Signal(Drilling(), "INT");
        var run = await drill;

        run.AssertExit(130);
        Assert.Empty((await server.GetAsync("/api/v1/endpoints", Cancelled))["endpoints"]!.AsArray());
    }

    private static int Number(JsonNode node, string member) => node[member]!.GetValue<int>();

    /// <summary>The process of the drill: a child of this one.</summary>
    private static int Drilling() => Processes.Below(Environment.ProcessId).Single(p => Processes.CommandLine(p).Contains(" drill --minutes 60", StringComparison.Ordinal));
}
