using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Deploy;

public sealed class TagTests : ServerTests
{
    [Fact]
    public async Task A_deploy_without_traffic_takes_its_tag_and_describe_shows_it()
    {
        var file = Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("deploy", file)).Done();

        var deployed = (await Shell.RunAsync("deploy", file, "--no-traffic", "--tag", "next")).Done();

        Assert.EndsWith("digits r2 is ready and gets no traffic ('dormouse traffic digits r2=100' gives it all)\n", deployed.Out, StringComparison.Ordinal);
        Assert.Matches("(?m)^tags +next r2$", (await Shell.RunAsync("describe", "digits")).Done().Out);
        Assert.Equal(100, Server.Endpoint("digits").Traffic["r1"]);
    }

    [Fact]
    public async Task Tags_are_set_moved_shown_and_deleted()
    {
        var file = Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("deploy", file)).Done();
        (await Shell.RunAsync("deploy", file)).Done();

        Assert.Equal("digits next  r2\ndigits stable  r1\n", (await Shell.RunAsync("tag", "digits", "stable=r1", "next=2")).Done().Out);
        Assert.Equal("digits stable  r2\n", (await Shell.RunAsync("tag", "digits", "stable=r2", "--delete", "next")).Done().Out);
        Assert.Contains("\"tags\": {", (await Shell.RunAsync("tag", "digits", "-o", "json")).Done().Out, StringComparison.Ordinal);
        Assert.Equal("", (await Shell.RunAsync("tag", "digits", "--delete", "stable")).Done().Out);
    }

    [Theory]
    [InlineData(ExitCodes.Refused, "The tag 'r3' reads like a revision", "tag", "digits", "r3=r1")]
    [InlineData(ExitCodes.Usage, "write it like NAME=VALUE", "tag", "digits", "stable")]
    [InlineData(ExitCodes.Usage, "'new' is no revision", "tag", "digits", "stable=new")]
    [InlineData(ExitCodes.Usage, "The tag 'stable' is named twice", "tag", "digits", "stable=r1", "--delete", "stable")]
    [InlineData(ExitCodes.Refused, "may hold only a-z", "deploy", "digits.onnx", "--tag", "Stable")]
    [InlineData(ExitCodes.Usage, "--canary and --no-traffic cannot be used together", "deploy", "digits.onnx", "--canary", "10", "--no-traffic")]
    public async Task What_cannot_be_meant_is_refused_before_anything_is_sent(int code, string message, params string[] arguments)
    {
        var result = await Shell.RunAsync(arguments);

        Assert.Equal(code, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
        Assert.Empty(Server.Requests);
    }

    [Fact]
    public async Task A_file_moves_the_tag_of_its_newest_revision_and_is_then_unchanged()
    {
        Shell.Write("digits/model.onnx", "model one");
        var file = Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits, tag: stable } }");
        (await Shell.RunAsync("apply", "-f", file)).Done();
        Shell.Write("digits/model.onnx", "model two");
        (await Shell.RunAsync("apply", "-f", file)).Done();
        Assert.Equal("r2", Server.Endpoint("digits").Tags?["stable"]);
        (await Shell.RunAsync("tag", "digits", "stable=r1")).Done();

        var difference = await Shell.RunAsync("diff", "-f", file);
        (await Shell.RunAsync("apply", "-f", file)).Done();

        Assert.Contains("tag stable: r1 → r2", difference.Out, StringComparison.Ordinal);
        Assert.Equal("r2", Server.Endpoint("digits").Tags?["stable"]);
        Assert.Equal("digits: unchanged\n", (await Shell.RunAsync("apply", "-f", file)).Done().Out);
    }
}
