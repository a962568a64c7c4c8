using System.Collections.Immutable;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Cli.Tests.Terminal;

/// <summary>Text that a model's author or a server chose, on a person's terminal.</summary>
public sealed class ShownTests : ServerTests
{
    /// <summary>Sets a terminal's title, clears it, begins a line, as C0 and C1 controls, and turns the writing around.</summary>
    private const string Evil = "a\u001b]0;b\u0007\u009b2J\u202ec\nd";

    private const string Safe = @"a\u001b]0;b\u0007\u009b2J\u202ec\nd";

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        (await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"))).Done();
        var endpoint = Server.Endpoint("digits");
        var revision = endpoint.Revisions[0] with
        {
            Interface = new ModelInterface { Platform = "p", Inputs = [new(Evil, "FP32", [1])], Outputs = [new(Evil, "FP32", [1])] },
            Failure = Evil,
            Settings = endpoint.Revisions[0].Settings with { Environment = ImmutableSortedDictionary<string, string>.Empty.Add(Evil, Evil) },
        };
        Server.Put(endpoint with
        {
            Url = Evil,
            Revisions = [revision],
            Instances = [new InstanceInfo(Evil, Evil, Evil, 0, DateTimeOffset.UnixEpoch, null, null)],
            Scaling = [new ScalingInfo(DateTimeOffset.UnixEpoch, "r1", 0, 1, Evil)],
        });
        Server.Logs = [new LogLine(DateTimeOffset.UnixEpoch, Evil, Evil)];
        Server.Doctor = new DoctorReport(true, [new DoctorCheck(Evil, Evil, Evil, Evil)]);
    }

    [Theory]
    [InlineData("list")]
    [InlineData("describe digits")]
    [InlineData("describe digits --scaling")]
    [InlineData("revisions digits")]
    [InlineData("logs digits")]
    [InlineData("doctor")]
    public async Task Control_characters_are_written_out(string line)
    {
        var result = (await Shell.RunAsync(line.Split(' '))).Done();

        Assert.Contains(Safe.Replace(@"\nd", "", StringComparison.Ordinal), result.Out, StringComparison.Ordinal);
        AssertObeysNothing(result.Out + result.Error);
    }

    [Theory]
    [InlineData("list")]
    [InlineData("describe digits")]
    [InlineData("logs digits")]
    public async Task Json_output_escapes_them_as_json_does(string line)
    {
        var result = (await Shell.RunAsync([.. line.Split(' '), "-o", "json"])).Done();

        Assert.Contains("\\u001b]0;b", result.Out, StringComparison.OrdinalIgnoreCase);
        AssertObeysNothing(result.Out.Replace("\u202e", "", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_servers_message_is_written_out()
    {
        Server.Handlers["digits"] = context => FakeServer.ProblemAsync(context, ProblemCode.RunFailed, Evil);

        var result = await Shell.RunAsync("invoke", "digits", "--json", "{}");

        Assert.StartsWith("error: " + Safe.Replace(@"\n", "\n", StringComparison.Ordinal), result.Error, StringComparison.Ordinal);
        AssertObeysNothing(result.Error);
    }

    [Theory]
    [InlineData("text/plain", Evil)]
    [InlineData("application/json", "{\"x\":\"" + Evil + "\"}")]
    public async Task An_answer_is_written_out_on_a_terminal_and_unchanged_elsewhere(string media, string answer)
    {
        Server.Handlers["digits"] = context =>
        {
            context.Response.ContentType = media;
            return context.Response.WriteAsync(answer);
        };

        var elsewhere = (await Shell.RunAsync("invoke", "digits", "--json", "{}")).Done();
        Shell.IsOutputTerminal = true;
        var terminal = (await Shell.RunAsync("invoke", "digits", "--json", "{}")).Done();

        Assert.Equal(answer, elsewhere.Out.TrimEnd('\n'));
        Assert.Contains(@"a\u001b]0;b\u0007\u009b2J\u202ec", terminal.Out, StringComparison.Ordinal);
        AssertObeysNothing(terminal.Out);
    }

    [Fact]
    public async Task Labels_are_written_out()
    {
        Server.Handlers["digits"] = context =>
        {
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync("""{"labels":[{"label":"a\u001b[2J\nb","index":0,"score":1}]}""");
        };

        var result = (await Shell.RunAsync("invoke", "digits", "--json", "{}")).Done();

        Assert.Equal("a\\u001b[2J\\nb  1.000\n", result.Out);
    }

    [Theory]
    [InlineData("plain ✓ – 日本 👍", "plain ✓ – 日本 👍")]
    [InlineData("a\r\nb\tc", @"a\r\nb\tc")]
    public void Other_text_stays(string text, string expected) => Assert.Equal(expected, Shown.Line(text));

    private static void AssertObeysNothing(string text) => Assert.DoesNotContain(text, c => (char.IsControl(c) && c != '\n') || c == '\u202e');
}
