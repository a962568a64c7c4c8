using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Deploy;

public sealed class CanaryTests : ServerTests
{
    [Fact]
    public async Task A_canary_says_what_it_gets_and_when_it_is_decided_and_describe_how_it_stands()
    {
        var file = Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("deploy", file)).Done();

        var deployed = (await Shell.RunAsync("deploy", file, "--canary", "10", "--canary-min", "200", "--canary-for", "1h")).Done();
        var described = (await Shell.RunAsync("describe", "digits")).Done();
        var json = (await Shell.RunAsync("describe", "digits", "-o", "json")).Done();

        Assert.EndsWith(
            "digits r2 is a canary with 10 % of the calls: after 200 of each side it is promoted or rolled back, at the latest in 1h ('dormouse describe digits' shows how it stands)\n",
            deployed.Out, StringComparison.Ordinal);
        Assert.Contains(
            "r2 is running with 10 %: 12 calls, 1 failed, 0 rejected, median 0.3 ms against 108 calls, 0 failed, 2 rejected, median 0.3 ms; decided after 200 of each, within 1h\n",
            described.Out, StringComparison.Ordinal);
        Assert.Contains("\"canary\"", json.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Describe_says_when_it_waits_for_run_times_to_compare()
    {
        var file = Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("deploy", file)).Done();
        (await Shell.RunAsync("deploy", file, "--canary", "10")).Done();
        var canary = Server.Endpoint("digits").Canary!; // It was just deployed.
        Server.Put(Server.Endpoint("digits") with { Canary = canary with { WaitsFor = "10 warm runs of each" } });

        var described = (await Shell.RunAsync("describe", "digits")).Done();

        Assert.Contains("decided after 100 of each, within 30m; waits for 10 warm runs of each\n", described.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("canary.percent is 100; allowed are 1 to 99.", "--canary", "100")]
    [InlineData("canary.min is 5; allowed are 20 to 100000.", "--canary", "10", "--canary-min", "5")]
    [InlineData("canary.for is 'soon'", "--canary", "10", "--canary-for", "soon")]
    public async Task Settings_that_no_server_takes_are_refused_before_anything_is_sent(string message, params string[] options)
    {
        var file = Shell.Write("digits.onnx", "model");

        var result = await Shell.RunAsync(["deploy", file, .. options]);

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
        Assert.Equal(0, Server.UploadedBytes);
    }

    [Fact]
    public async Task Its_options_need_it()
    {
        var result = await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"), "--canary-min", "50");

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains("--canary-min needs --canary PERCENT.", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_changed_source_begins_as_the_canary_of_the_file_and_applying_again_leaves_it_alone()
    {
        const string Wanted = "endpoints: { digits: { source: digits.onnx, canary: { percent: 20, min: 50 } } }";
        Shell.Write("digits.onnx", "model");
        var file = Shell.Write("dormouse.yaml", Wanted);
        (await Shell.RunAsync("apply", "-f", file)).Done();
        Assert.Equal(100, Server.Endpoint("digits").Traffic["r1"]);

        Shell.Write("digits.onnx", "another model");
        (await Shell.RunAsync("apply", "-f", file)).Done();
        (await Shell.RunAsync("apply", "-f", file)).Done();

        var endpoint = Server.Endpoint("digits");
        Assert.Equal((80, 20), (endpoint.Traffic["r1"], endpoint.Traffic["r2"]));
        Assert.Equal(50, endpoint.Canary?.Settings.Min);
    }

    [Theory]
    [InlineData("canary: 0", "dormouse.yaml:1: endpoints.digits.canary: canary.percent is 0; allowed are 1 to 99.")]
    [InlineData("canary: { min: 50 }", "endpoints.digits.canary.percent: Missing")]
    [InlineData("canary: { percent: 5, fro: 1h }", "Did you mean 'for'?")]
    [InlineData("canary: 5, traffic: { r1: 100 }", "write either 'canary' or 'traffic'")]
    public async Task Mistakes_in_the_file_are_told_with_their_place(string key, string message)
    {
        Shell.Write("digits.onnx", "model");

        var result = await Shell.RunAsync("apply", "-f", Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits.onnx, " + key + " } }"));

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
    }
}
