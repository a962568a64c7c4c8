using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Deploy;

public sealed class HandoverTests : ServerTests
{
    [Fact]
    public async Task A_deploy_waits_until_the_traffic_has_moved_and_says_what_is_kept()
    {
        var file = Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("deploy", file)).Done();

        var deployed = (await WaitingAsync("deploy", file, "--keep-old", "10m", "--warm", "2")).Done();
        var described = (await Shell.RunAsync("describe", "digits")).Done();

        Assert.Contains("digits r2 is live at", deployed.Out, StringComparison.Ordinal);
        Assert.Matches("the traffic is r2=100: 2 of 2 instances of r2 were ready after 1 s; 3 instances of r1 kept for a way back until .+\n$", deployed.Out);
        Assert.Matches("(?m)^handover +the traffic is r2=100: 2 of 2 instances", described.Out);
        Assert.Equal((2, "10m"), (Server.Endpoint("digits").Handover?.Settings.Warm, Server.Endpoint("digits").Handover?.Settings.KeepOld));
    }

    [Fact]
    public async Task One_that_fails_ends_with_1_and_says_why()
    {
        var file = Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("deploy", file)).Done();
        Server.HandoverEnd = "failed";

        var deployed = await WaitingAsync("deploy", file, "--warm");
        var described = (await Shell.RunAsync("describe", "digits")).Done();

        Assert.Equal(ExitCodes.Failed, deployed.Code);
        Assert.Contains("The traffic of digits stays r1=100: r2 failed to start 3 times", deployed.Error, StringComparison.Ordinal);
        Assert.Contains("the traffic did not become r2=100: r2 failed to start 3 times", described.Out, StringComparison.Ordinal);
        Assert.Equal(100, Server.Endpoint("digits").Traffic["r1"]);
    }

    [Fact]
    public async Task Nobody_has_to_wait()
    {
        var file = Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("deploy", file)).Done();
        Server.HandoverEnd = null;

        var deployed = (await Shell.RunAsync("deploy", file, "--no-wait", "--warm", "--warm-for", "5m")).Done();

        Assert.Contains("the traffic becomes r2=100 when 1 instance of r2 (0 now) is ready, within 5m\n", deployed.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Traffic_is_handed_over_the_same_way()
    {
        var file = Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("deploy", file)).Done();
        (await Shell.RunAsync("deploy", file)).Done();

        var moved = (await WaitingAsync("traffic", "digits", "r1=100", "--keep-old", "5m", "--warm")).Done();

        Assert.StartsWith("digits r1  100 %\nthe traffic is r1=100:", moved.Out, StringComparison.Ordinal);
        Assert.Null(Server.Endpoint("digits").Handover?.Settings.Warm);
    }

    [Theory]
    [InlineData("--keep-old needs --warm.", "--keep-old", "5m")]
    [InlineData("--warm-for needs --warm.", "--warm-for", "5m")]
    [InlineData("--warm is followed by 'many', which is no number", "--warm", "many")]
    [InlineData("--warm and --canary cannot be used together", "--canary", "10", "--warm")]
    [InlineData("--warm and --no-traffic cannot be used together", "--no-traffic", "--warm")]
    public async Task What_cannot_be_meant_is_refused(string message, params string[] options)
    {
        var result = await Shell.RunAsync(["deploy", Shell.Write("digits.onnx", "model"), .. options]);

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_that_no_server_takes_are_refused_before_anything_is_sent()
    {
        var result = await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"), "--keep-old", "25h", "--warm", "0");

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("handover.warm is 0; allowed are 1 to 1000.", result.Error, StringComparison.Ordinal);
        Assert.Contains("handover.keep_old is ", result.Error, StringComparison.Ordinal);
        Assert.Equal(0, Server.UploadedBytes);
    }

    [Fact]
    public async Task A_changed_source_is_handed_over_as_the_file_says_and_applying_again_leaves_it_alone()
    {
        Shell.Write("digits.onnx", "model");
        var file = Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits.onnx, handover: { warm: 2, keep_old: 10m } } }");
        (await Shell.RunAsync("apply", "-f", file)).Done();
        Assert.Equal(100, Server.Endpoint("digits").Traffic["r1"]);
        Server.HandoverEnd = null;

        Shell.Write("digits.onnx", "another model");
        var applied = (await Shell.RunAsync("apply", "-f", file)).Done();
        var again = (await Shell.RunAsync("apply", "-f", file)).Done();

        Assert.Contains("note: digits: the traffic becomes r2=100 when 2 instances of r2 (0 now) are ready, within 10m", applied.Error, StringComparison.Ordinal);
        Assert.Equal("digits: unchanged\n", again.Out);
        Assert.Equal(("warming", 100), (Server.Endpoint("digits").Handover?.State, Server.Endpoint("digits").Traffic["r1"]));
    }

    [Fact]
    public async Task Wanted_traffic_is_handed_over_too()
    {
        Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("apply", "-f", Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits.onnx } }"))).Done();
        Shell.Write("digits.onnx", "another model");
        (await Shell.RunAsync("apply", "-f", Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits.onnx } }"))).Done();

        (await Shell.RunAsync("apply", "-f", Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits.onnx, traffic: { r1: 100 }, handover: true } }"))).Done();

        Assert.Equal(100, Server.Endpoint("digits").Handover?.Traffic["r1"]);
    }

    [Theory]
    [InlineData("handover: { warm: 0 }", "endpoints.digits.handover: handover.warm is 0; allowed are 1 to 1000.")]
    [InlineData("handover: { keep: 5m }", "Unknown key.")]
    [InlineData("handover: true, canary: 5", "write either 'canary' or 'handover'")]
    [InlineData("mirror: { revision: r4, percent: 0 }", "endpoints.digits.mirror.percent: percent is 0; allowed are 1 to 100.")]
    [InlineData("mirror: { percent: 10 }", "endpoints.digits.mirror.revision: Missing")]
    [InlineData("mirror: { revision: new, percent: 10 }", "'new' is no revision")]
    [InlineData("mirror: { revision: r1, percent: 10, tolerance: 2 }", "tolerance is 2; allowed are 0 to 1.")]
    [InlineData("mirror: { revision: r1, pct: 10 }", "Unknown key.")]
    [InlineData("mirror: true", "'true' does not say where to")]
    [InlineData("mirror: { revision: r7, percent: 10 }", "endpoints.digits.mirror: r7: There is no such revision; the endpoint is new.")]
    public async Task Mistakes_in_the_file_are_told_with_their_place(string key, string message)
    {
        Shell.Write("digits.onnx", "model");

        var result = await Shell.RunAsync("apply", "-f", Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits.onnx, " + key + " } }"));

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
        Assert.Equal(0, Server.UploadedBytes);
    }

    [Fact]
    public async Task A_mirror_of_the_file_is_set_left_alone_changed_and_ended()
    {
        const string Start = "endpoints: { digits: { source: digits.onnx, traffic: { r1: 100 }";
        Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("apply", "-f", Shell.Write("dormouse.yaml", Start + " } }"))).Done();
        Shell.Write("digits.onnx", "another model");

        var file = Shell.Write("dormouse.yaml", Start + ", mirror: { revision: r2, percent: 10 } } }");
        var set = (await Shell.RunAsync("apply", "-f", file)).Done();
        Assert.Contains("  mirror: none → 10 % to r2 (tolerance 0.0001)\n", set.Out, StringComparison.Ordinal);
        Assert.Equal(("r2", 10), (Server.Endpoint("digits").Mirror?.Revision, Server.Endpoint("digits").Mirror?.Percent));
        Assert.Equal("digits: unchanged\n", (await Shell.RunAsync("apply", "-f", file)).Done().Out);

        var closer = await Shell.RunAsync("diff", "-f", Shell.Write("dormouse.yaml", Start + ", mirror: { revision: r2, percent: 20, tolerance: 0.01 } } }"));
        Assert.Equal("digits:\n  mirror: 10 % to r2 (tolerance 0.0001) → 20 % to r2 (tolerance 0.01)\n", closer.Out);

        (await Shell.RunAsync("apply", "-f", Shell.Write("dormouse.yaml", Start + " } }"))).Done();
        Assert.NotNull(Server.Endpoint("digits").Mirror);
        (await Shell.RunAsync("apply", "-f", Shell.Write("dormouse.yaml", Start + ", mirror: false } }"))).Done();
        Assert.Null(Server.Endpoint("digits").Mirror);
    }

    /// <summary>Runs a command whose time passes while it waits.</summary>
    private async Task<Result> WaitingAsync(params string[] arguments)
    {
        var running = Shell.RunAsync(arguments);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (!running.IsCompleted)
        {
            Shell.Time.Advance(TimeSpan.FromSeconds(1));
            await tick.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }

        return await running;
    }
}
