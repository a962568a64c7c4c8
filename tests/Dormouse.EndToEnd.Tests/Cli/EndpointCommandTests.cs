using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Cli;

public sealed class EndpointCommandTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task List_and_describe_show_what_is_there()
    {
        await DeployAsync("cli-shown", revisions: 1);
        await PlusCall.SendAsync(Server, "cli-shown", 1, Cancelled);

        var listed = await CommandRun.DoneAsync(Server, Cancelled, "list");
        var documents = await CommandRun.DoneAsync(Server, Cancelled, "list", "--output", "json");
        var described = await CommandRun.DoneAsync(Server, Cancelled, "describe", "cli-shown");
        var scaling = await CommandRun.DoneAsync(Server, Cancelled, "describe", "cli-shown", "--scaling");

        Assert.Contains("cli-shown", listed.Output, StringComparison.Ordinal);
        Assert.Contains(documents.Json["endpoints"]!.AsArray(), e => e!["name"]!.GetValue<string>() == "cli-shown");
        Assert.Contains("x float32[n]", described.Output, StringComparison.Ordinal);
        Assert.Contains("y float32[n]", described.Output, StringComparison.Ordinal);
        Assert.Contains("0 → 1", scaling.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Traffic_is_shared_out_and_rolled_back()
    {
        await DeployAsync("cli-traffic", revisions: 2);

        var set = await CommandRun.DoneAsync(Server, Cancelled, "traffic", "cli-traffic", "r1=90", "r2=10");
        var revisions = await CommandRun.DoneAsync(Server, Cancelled, "revisions", "cli-traffic");
        var back = await CommandRun.DoneAsync(Server, Cancelled, "rollback", "cli-traffic");
        var named = await CommandRun.DoneAsync(Server, Cancelled, "rollback", "cli-traffic", "--to", "r1");

        Assert.Contains("cli-traffic r1  90 %", set.Output, StringComparison.Ordinal);
        Assert.Contains("cli-traffic r2  10 %", set.Output, StringComparison.Ordinal);
        Assert.True(revisions.Output.IndexOf("r2", StringComparison.Ordinal) < revisions.Output.IndexOf("r1", StringComparison.Ordinal), revisions.Output);
        Assert.Contains("cli-traffic r2  100 %", back.Output, StringComparison.Ordinal);
        Assert.Contains("cli-traffic r1  100 %", named.Output, StringComparison.Ordinal);
        Assert.Equal(1, (await PlusCall.SendAsync(Server, "cli-traffic", 0, Cancelled)).Value);
    }

    [Theory]
    [InlineData("sum", 2, "r1=90", "r2=20")]
    [InlineData("word", 2, "r1=half")]
    [InlineData("twice", 2, "r1=50", "r1=50")]
    [InlineData("unknown", 3, "r7=100")]
    public async Task Wrong_weights_change_nothing(string what, int code, params string[] weights)
    {
        var name = "cli-weights-" + what;
        await DeployAsync(name, revisions: 2);

        var run = await CommandRun.OfAsync(Server, Cancelled, ["traffic", name, .. weights]);

        run.AssertExit(code);
        Assert.StartsWith("error: ", run.Error, StringComparison.Ordinal);
        Assert.Equal(100, (await Server.GetAsync($"/api/v1/endpoints/{name}", Cancelled))["traffic"]!["r2"]!.GetValue<int>());
    }

    [Fact]
    public async Task Stop_drains_to_zero_and_the_next_call_starts_again()
    {
        await DeployAsync("cli-stop", revisions: 1);
        await PlusCall.SendAsync(Server, "cli-stop", 1, Cancelled);
        Assert.NotEmpty(await Server.InstancesAsync("cli-stop", Cancelled));

        await CommandRun.DoneAsync(Server, Cancelled, "stop", "cli-stop");

        Assert.Empty(await Server.InstancesAsync("cli-stop", Cancelled));
        Assert.Equal(2, (await PlusCall.SendAsync(Server, "cli-stop", 1, Cancelled)).Value);
    }

    [Fact]
    public async Task Delete_needs_yes_when_nobody_can_be_asked()
    {
        await DeployAsync("cli-delete", revisions: 1);

        var refused = await CommandRun.OfAsync(Server, Cancelled, "delete", "cli-delete");
        var kept = await CommandRun.OfAsync(Server, Cancelled, "describe", "cli-delete");
        var deleted = await CommandRun.OfAsync(Server, Cancelled, "delete", "cli-delete", "--yes");
        var gone = await CommandRun.OfAsync(Server, Cancelled, "describe", "cli-delete");

        refused.AssertExit(2);
        Assert.Contains("--yes", refused.Error, StringComparison.Ordinal);
        kept.AssertExit(0);
        deleted.AssertExit(0);
        gone.AssertExit(3);
    }

    [Fact]
    public async Task Logs_are_shown_and_an_unknown_endpoint_is_not_found()
    {
        await DeployAsync("cli-logs", revisions: 1);
        await PlusCall.SendAsync(Server, "cli-logs", 1, Cancelled);

        var logs = await CommandRun.DoneAsync(Server, Cancelled, "logs", "cli-logs", "--tail", "5");
        var none = await CommandRun.OfAsync(Server, Cancelled, "logs", "cli-nothing");

        Assert.DoesNotContain("error", logs.Error, StringComparison.OrdinalIgnoreCase);
        none.AssertExit(3);
    }

    private async Task DeployAsync(string name, int revisions)
    {
        for (var number = 1; number <= revisions; number++)
        {
            await Server.DeployAsync(name, [("model.onnx", SmallModels.Plus(number))], Cancelled);
        }
    }
}
