using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Tests.Deploy;

public sealed class OverflowTests : ServerTests
{
    [Fact]
    public async Task A_deploy_names_the_address_and_describe_shows_setting_and_state()
    {
        (await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"), "--overflow", "https://other:8080", "--overflow-max", "5", "--overflow-key-file", "other")).Done();
        Server.Put(Server.Endpoint("digits") with
        {
            Overflow = [new OverflowInfo("r1", "other:8080", "left_alone", DateTimeOffset.UnixEpoch, 0, 5, 7, 3, 1, "it answered 503")],
        });

        var described = (await Shell.RunAsync("describe", "digits")).Done().Out;

        Assert.Equal(new OverflowSettings("https://other:8080", 5, "other"), Server.Endpoint("digits").Revisions[0].Settings.Overflow);
        Assert.Matches("(?m)^overflow +other:8080 of r1 is left alone until .*: 0 of 5 there now, 7 answered, 3 not taken, 1 failed; the last failure: it answered 503$", described);
        Assert.Matches("(?m)^overflow.url +https://other:8080$", described);
        Assert.Matches("(?m)^overflow.key_file +other$", described);
    }

    [Theory]
    [InlineData(ExitCodes.Refused, "overflow.url is 'other:8080'; allowed is an absolute http or https address", "--overflow", "other:8080")]
    [InlineData(ExitCodes.Refused, "overflow.max is 0; allowed are 1 to 1000.", "--overflow", "https://other", "--overflow-max", "0")]
    [InlineData(ExitCodes.Usage, "--overflow-max needs --overflow URL.", "--overflow-max", "5")]
    [InlineData(ExitCodes.Usage, "--overflow-key-env needs --overflow URL.", "--overflow-key-env", "A")]
    public async Task What_no_server_takes_is_refused_before_anything_is_sent(int code, string message, params string[] options)
    {
        var result = await Shell.RunAsync(["deploy", Shell.Write("digits.onnx", "model"), .. options]);

        Assert.Equal(code, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
        Assert.Equal(0, Server.UploadedBytes);
    }

    [Fact]
    public async Task A_file_sets_it_compares_it_and_takes_it_away()
    {
        Shell.Write("digits/model.onnx", "model one");
        var with = Shell.Write("with.yaml", "endpoints: { digits: { source: digits, overflow: \"https://other:8080\" } }");
        var without = Shell.Write("without.yaml", "endpoints: { digits: { source: digits } }");
        (await Shell.RunAsync("apply", "-f", with)).Done();

        Assert.Equal("digits: unchanged\n", (await Shell.RunAsync("apply", "-f", with)).Done().Out);
        Assert.Contains("overflow.url: https://other:8080 → not set", (await Shell.RunAsync("diff", "-f", without)).Out, StringComparison.Ordinal);
        (await Shell.RunAsync("apply", "-f", without)).Done();
        Assert.Null(Server.Endpoint("digits").Revisions[0].Settings.Overflow);
    }

    [Fact]
    public async Task A_mistake_in_a_file_is_told_with_its_place()
    {
        Shell.Write("digits/model.onnx", "model one");
        var file = Shell.Write("dormouse.yaml", "endpoints:\n  digits:\n    source: digits\n    overflow: { url: \"ftp://other\", mx: 3 }\n");

        var result = await Shell.RunAsync("apply", "-f", file);

        Assert.Contains("dormouse.yaml:4: endpoints.digits.overflow: overflow.url is 'ftp://other'", result.Error, StringComparison.Ordinal);
        Assert.Contains("dormouse.yaml:4: endpoints.digits.overflow.mx: Unknown key. Did you mean 'max'?", result.Error, StringComparison.Ordinal);
    }
}
