using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Cli;

public sealed class DeployCommandTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task A_file_is_deployed_and_not_sent_again()
    {
        using var files = new TemporaryFolder();
        var model = files.Write("plus seven.onnx", SmallModels.Plus(7));

        var first = await CommandRun.DoneAsync(Server, Cancelled, "deploy", model, "--name", "cli-file");
        var second = await CommandRun.DoneAsync(Server, Cancelled, "deploy", model, "--name", "cli-file", "--output", "json");

        Assert.Contains("verified: x float32[", first.Output, StringComparison.Ordinal);
        Assert.Contains("cli-file r1 is live at " + Server.Address, first.Output, StringComparison.Ordinal);
        Assert.Equal(0, second.Json["uploaded_bytes"]!.GetValue<long>());
        Assert.Equal("r2", second.Json["revisions"]![0]!["name"]!.GetValue<string>());
    }

    [Fact]
    public async Task Options_of_deploy_become_settings_of_the_revision()
    {
        using var files = new TemporaryFolder();
        var model = files.Write("model.onnx", SmallModels.Plus(1));

        await CommandRun.DoneAsync(
            Server, Cancelled, "deploy", model, "--name", "cli-options", "--memory", "256MiB", "--cpu", "1", "--concurrency", "2", "--min-instances", "0", "--max-instances", "3",
            "--idle-timeout", "5m", "--timeout", "7s", "--start-timeout", "8s", "--queue-timeout", "9s", "--queue-limit", "10", "--env", "COLOUR=blue");

        var settings = (await Server.GetAsync("/api/v1/endpoints/cli-options", Cancelled))["revisions"]![0]!["settings"]!;
        string[] given =
        [
            .. new[] { "memory", "idle_timeout", "timeout", "start_timeout", "queue_timeout" }.Select(name => settings[name]!.GetValue<string>()),
            .. new[] { "cpu", "concurrency", "max_instances", "queue_limit" }.Select(name => settings[name]!.ToJsonString()),
            settings["environment"]!["COLOUR"]!.GetValue<string>(),
        ];
        Assert.Equal(["256MiB", "5m", "7s", "8s", "9s", "1", "2", "3", "10", "blue"], given);
    }

    [Fact]
    public async Task A_folder_brings_its_signature_and_answers_labels()
    {
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", Path.GetDirectoryName(Checkout.DigitsModel)!, "--name", "cli-folder");

        var invoked = await CommandRun.DoneAsync(Server, Cancelled, "invoke", "cli-folder", "--file", Checkout.DigitPicture("seven"));

        Assert.StartsWith("7  ", invoked.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Versions_of_a_Triton_folder_become_revisions_in_ascending_order()
    {
        using var files = new TemporaryFolder();
        files.Write("triton/10/model.onnx", SmallModels.Plus(10));
        files.Write("triton/2/model.onnx", SmallModels.Plus(2));

        await CommandRun.DoneAsync(Server, Cancelled, "deploy", Path.Combine(files.Root, "triton"), "--name", "cli-triton");

        Assert.Equal(2, await PlusAsync("cli-triton", 1));
        Assert.Equal(10, await PlusAsync("cli-triton", 2));
        var traffic = (await Server.GetAsync("/api/v1/endpoints/cli-triton", Cancelled))["traffic"]!;
        Assert.Equal(100, traffic["r2"]!.GetValue<int>());
    }

    [Fact]
    public async Task An_unverified_model_is_optimised_in_idle_time()
    {
        using var files = new TemporaryFolder();
        var model = files.Write("model.onnx", SmallModels.Plus(3.5f));

        var deployed = await CommandRun.DoneAsync(Server, Cancelled, "deploy", model, "--name", "cli-unverified", "--no-verify");

        Assert.Contains("not verified", deployed.Output, StringComparison.Ordinal);
        await Waiting.UntilAsync(async () => (await RevisionAsync("cli-unverified"))["optimised"]!.GetValue<bool>(), "the optimised file is there", Cancelled);
        var described = await CommandRun.DoneAsync(Server, Cancelled, "describe", "cli-unverified");
        Assert.Contains("x float32", described.Output, StringComparison.Ordinal);
        Assert.Equal(3.5, await PlusAsync("cli-unverified", 1));
    }

    [Fact]
    public async Task A_broken_model_is_refused_with_the_engines_reason()
    {
        using var files = new TemporaryFolder();
        var model = files.Write("model.onnx", SmallModels.Unloadable());

        var run = await CommandRun.OfAsync(Server, Cancelled, "deploy", model, "--name", "cli-broken");

        run.AssertExit(4);
        Assert.Contains("NoSuchOperator", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Fact]
    public async Task A_broken_next_revision_leaves_the_traffic_where_it_is()
    {
        using var files = new TemporaryFolder();
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", files.Write("good.onnx", SmallModels.Plus(1)), "--name", "cli-next");

        var run = await CommandRun.OfAsync(Server, Cancelled, "deploy", files.Write("bad.onnx", "this is no model, only a text that is long enough"), "--name", "cli-next");

        run.AssertExit(4);
        Assert.Equal(1, await PlusAsync("cli-next"));
    }

    [Fact]
    public async Task A_source_that_is_not_there_is_refused_by_its_path()
    {
        var run = await CommandRun.OfAsync(Server, Cancelled, "deploy", "/no/such/model.onnx", "--name", "cli-absent");

        run.AssertExit(4);
        Assert.Contains("/no/such/model.onnx", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../up")]
    [InlineData("Upper")]
    [InlineData("health")]
    public async Task A_name_that_cannot_be_is_refused(string name)
    {
        using var files = new TemporaryFolder();

        var run = await CommandRun.OfAsync(Server, Cancelled, "deploy", files.Write("model.onnx", SmallModels.Plus(1)), "--name", name);

        run.AssertExit(4);
        Assert.Contains("name", run.Error, StringComparison.Ordinal);
    }

    /// <summary>What the endpoint adds to 0.</summary>
    private async Task<double> PlusAsync(string endpoint, int? version = null)
    {
        var answer = await PlusCall.SendAsync(Server, endpoint, 0, Cancelled, version?.ToString(System.Globalization.CultureInfo.InvariantCulture));
        return answer.Value;
    }

    private async Task<JsonNode> RevisionAsync(string endpoint) => (await Server.GetAsync($"/api/v1/endpoints/{endpoint}", Cancelled))["revisions"]![0]!;
}
