using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Commands;

public sealed class MirrorCommandTests : ServerTests
{
    [Fact]
    public async Task A_mirror_is_set_shown_and_taken_away()
    {
        (await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"))).Done();

        var set = (await Shell.RunAsync("mirror", "digits", "r1=10", "--tolerance", "0.01")).Done();

        Assert.Equal(
            "digits mirrors 10 % to r1: 10 compared, 7 the same, 1 with another status, 2 with another body, 3 dropped for want of room;"
            + " median 0.4 ms against 0.3, 95 % 0.6 ms against 0.5; last difference: outputs[0].data[0] is 1 and 2\n",
            set.Out);
        Assert.Equal(0.01, Server.Endpoint("digits").Mirror?.Tolerance);
        Assert.Matches("(?m)^mirror +10 % to r1: 10 compared", (await Shell.RunAsync("describe", "digits")).Done().Out);
        Assert.Contains("\"mirror\": {", (await Shell.RunAsync("mirror", "digits", "-o", "json")).Done().Out, StringComparison.Ordinal);
        (await Shell.RunAsync("mirror", "digits", "--off")).Done();
        Assert.Null(Server.Endpoint("digits").Mirror);
    }

    [Theory]
    [InlineData("'r1=0' is no share", "r1=0")]
    [InlineData("'new' is no revision", "new=10")]
    [InlineData("write it like NAME=VALUE", "r1")]
    [InlineData("--tolerance needs a share", "--tolerance", "0.1")]
    [InlineData("--off and a share", "r1=10", "--off")]
    public async Task What_cannot_be_meant_is_refused_before_anything_is_sent(string message, params string[] arguments)
    {
        var result = await Shell.RunAsync(["mirror", "digits", .. arguments]);

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
        Assert.Empty(Server.Requests);
    }
}
