using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Cli;

public sealed class ApplyCommandTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task A_second_apply_changes_nothing_and_diff_says_so()
    {
        using var files = new TemporaryFolder();
        files.Write("models/plus.onnx", SmallModels.Plus(4));
        var wanted = files.Write("dormouse.yaml", Wanted("256MiB"));

        var before = await CommandRun.OfAsync(Server, Cancelled, "diff", "-f", wanted);
        var first = await CommandRun.DoneAsync(Server, Cancelled, "apply", "-f", wanted);
        var second = await CommandRun.DoneAsync(Server, Cancelled, "apply", "-f", wanted);
        var after = await CommandRun.OfAsync(Server, Cancelled, "diff", "-f", wanted);

        before.AssertExit(1);
        Assert.Contains("cli-apply: made", first.Output, StringComparison.Ordinal);
        Assert.Contains("cli-apply: unchanged", second.Output, StringComparison.Ordinal);
        after.AssertExit(0);
        Assert.Single((await Server.GetAsync("/api/v1/endpoints/cli-apply", Cancelled))["revisions"]!.AsArray());

        files.Write("dormouse.yaml", Wanted("300MiB"));
        var changed = await CommandRun.OfAsync(Server, Cancelled, "diff", "-f", wanted);
        await CommandRun.DoneAsync(Server, Cancelled, "apply", "-f", wanted);

        changed.AssertExit(1);
        Assert.Contains("memory", changed.Output, StringComparison.Ordinal);
        Assert.Contains("300MiB", changed.Output, StringComparison.Ordinal);
        Assert.Equal(2, (await Server.GetAsync("/api/v1/endpoints/cli-apply", Cancelled))["revisions"]!.AsArray().Count);
        Assert.Equal(4, (await PlusCall.SendAsync(Server, "cli-apply", 0, Cancelled)).Value);
    }

    [Fact]
    public async Task A_mistake_in_the_file_is_named_with_its_place_and_nothing_is_done()
    {
        using var files = new TemporaryFolder();
        files.Write("models/plus.onnx", SmallModels.Plus(4));
        var wanted = files.Write("dormouse.yaml", Wanted("256MiB").Replace("memory", "memry", StringComparison.Ordinal).Replace("cli-apply", "cli-mistake", StringComparison.Ordinal));

        var run = await CommandRun.OfAsync(Server, Cancelled, "apply", "-f", wanted);

        run.AssertExit(4);
        Assert.Contains("memry", run.Error, StringComparison.Ordinal);
        Assert.Contains("memory", run.Error, StringComparison.Ordinal);
        (await CommandRun.OfAsync(Server, Cancelled, "describe", "cli-mistake")).AssertExit(3);
    }

    private static string Wanted(string memory) =>
        $"""
        endpoints:
          cli-apply:
            source: models/plus.onnx
            memory: {memory}
            idle_timeout: 5m
            public: true

        """;
}
