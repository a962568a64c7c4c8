using System.Net;
using System.Net.Sockets;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Commands;

public sealed class CommandLineTests : IDisposable
{
    private readonly Shell _shell = new();
    private readonly Socket _closed = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public static TheoryData<string> EveryCommand()
    {
        using var shell = new Shell();
        var root = CommandTree.Create(new GlobalOptions(shell.Surroundings(TextWriter.Null, TextWriter.Null, Stream.Null)));
        return [.. root.Subcommands.SelectMany(c => c.Subcommands.Select(s => c.Name + " " + s.Name).Prepend(c.Name))];
    }

    [Fact]
    public void The_commands_of_the_contract_are_all_there()
    {
        string[] wanted =
        [
            "serve", "quickstart", "deploy", "apply", "diff", "dev", "run", "invoke", "list", "describe", "logs", "revisions", "traffic", "rollback", "tag", "mirror", "stop", "load", "delete",
            "key", "key create", "key list", "key revoke", "usage", "record", "simulate", "drill", "doctor", "version", "completion",
            "invocation", "invocation status", "invocation result", "invocation cancel", "invocation request", "invocation edit", "invocation redrive", "queue", "queue list", "queue depth", "queue redrive",
            "storage", "storage backup", "storage restore", "storage check", "storage migrate",
            "environment", "environment list", "environment show", "environment delete", "shell",
            "destination", "destination create", "destination list", "destination show", "destination use", "destination rotate", "destination enable", "destination delete",
            "delivery", "delivery list", "delivery redrive",
            "trigger", "trigger create", "trigger list", "trigger show", "trigger pause", "trigger resume", "trigger run", "trigger delete",
            "secret", "secret set", "secret list", "secret delete",
            "batch", "batch list", "batch show", "batch wait", "batch pause", "batch resume", "batch cancel", "batch results", "batch delete",
        ];

        Assert.Equal(wanted.Order(), EveryCommand().Select(row => row.Data).Order());
    }

    [Theory]
    [MemberData(nameof(EveryCommand))]
    public async Task Help_of_every_command_shows_an_example_of_it(string command)
    {
        var result = (await _shell.RunAsync([.. command.Split(' '), "--help"])).Done();

        Assert.Contains("Examples:", result.Out, StringComparison.Ordinal);
        Assert.Contains("dormouse " + command.Split(' ')[0], result.Out[result.Out.IndexOf("Examples:", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.Empty(result.Error);
    }

    [Theory]
    [MemberData(nameof(EveryCommand))]
    public async Task Examples_in_the_help_are_command_lines_that_parse(string command)
    {
        var root = CommandTree.Create(new GlobalOptions(_shell.Surroundings(TextWriter.Null, TextWriter.Null, Stream.Null)));
        var found = command.Split(' ').Aggregate((System.CommandLine.Command)root, (c, name) => c.Subcommands.Single(s => s.Name == name));

        foreach (var example in Assert.IsType<CliCommand>(found).Examples)
        {
            var line = example.Replace("source <(", "", StringComparison.Ordinal).Replace(")", "", StringComparison.Ordinal).Split(" > ")[0].Split(" < ")[0];
            var words = line.Contains('\'', StringComparison.Ordinal) ? [.. line[..line.IndexOf('\'', StringComparison.Ordinal)].Split(' ', StringSplitOptions.RemoveEmptyEntries), "{}"] : line.Split(' ');
            Assert.Empty(root.Parse(words[1..], CommandLine.Parsing).Errors);
        }

        await Task.CompletedTask;
    }

    [Fact]
    public async Task No_arguments_show_the_help()
    {
        var result = (await _shell.RunAsync()).Done();

        Assert.Contains("dormouse quickstart", result.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("deplo x.onnx", "Unknown command 'deplo'. Did you mean 'deploy'?")]
    [InlineData("kye list", "Unknown command 'kye'. Did you mean 'key'?")]
    [InlineData("--ouput json list", "Unknown option '--ouput'. Did you mean '--output'?")]
    [InlineData("key lst", "Unknown command 'lst'. Did you mean 'list'?")]
    [InlineData("deploy x.onnx --public maybe", "--public is 'maybe'; true or false is needed")]
    [InlineData("deploy x.onnx --public=maybe", "--public is 'maybe'; true or false is needed")]
    [InlineData("describe digits --scaling perhaps", "--scaling is 'perhaps'; true or false is needed")]
    [InlineData("key revok x", "Unknown command 'revok'. Did you mean 'revoke'?")]
    [InlineData("deploy x.onnx --memroy 1GiB", "Unknown option '--memroy'. Did you mean '--memory'?")]
    [InlineData("deploy --memroy 1GiB x.onnx", "Unknown option '--memroy'. Did you mean '--memory'?")]
    [InlineData("list --ouput json", "Unknown option '--ouput'. Did you mean '--output'?")]
    [InlineData("describe --scalin digits", "Unknown option '--scalin'. Did you mean '--scaling'?")]
    [InlineData("deploy", "'dormouse deploy' needs source.")]
    [InlineData("key", "'dormouse key' needs one of: create, list, revoke.")]
    [InlineData("deploy x.onnx --cpu many", "--cpu is 'many'; a number is needed.")]
    [InlineData("delivery redrive first", "number is 'first'; a number is needed.")]
    [InlineData("usage --by hours", "--by is 'hours'; allowed is endpoint, hour. Did you mean 'hour'?")]
    [InlineData("invoke digits --priority hgh", "--priority is 'hgh'; allowed is high, low, normal. Did you mean 'high'?")]
    [InlineData("list --key schlüssel", "--key is no key")]
    [InlineData("invoke digits --json {} --method GE/T", "--method is 'GE/T'; one word is needed, such as GET or PUT.")]
    [InlineData("invoke digits --json {} --header X A:1", "--header names 'X A', which is no name of a header")]
    [InlineData("invoke digits --json {} --header Content-Length:3", "--header names 'Content-Length', which follows from the address and the body.")]
    [InlineData("invoke digits --json {} --header X-A:ü", "--header is 'ü'; it travels as a header of HTTP")]
    [InlineData("invoke digits --json {} --async --group ü", "--group is 'ü'; it travels as a header of HTTP")]
    [InlineData("list extra", "'extra' is one argument too many.")]
    [InlineData("traffic digits r1=50", "The weights sum to 50; they must sum to 100.")]
    [InlineData("traffic digits r1", "A weight is 'r1'; write it like NAME=VALUE.")]
    [InlineData("traffic digits first=100", "'first' is no revision.")]
    [InlineData("rollback digits --to latest", "'latest' is no revision.")]
    [InlineData("usage --from yesterday", "--from is 'yesterday', which is no time.")]
    [InlineData("list --server ftp://x", "--server is 'ftp://x', which is no address.")]
    [InlineData("deploy x.onnx --env NAME", "--env is 'NAME'; write it like NAME=VALUE.")]
    public async Task A_wrong_command_line_ends_with_2_and_says_what_is_wrong(string line, string sentence)
    {
        var result = await _shell.RunAsync(line.Split(' '));

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains(sentence, result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Out);
    }

    [Theory]
    [InlineData("describe", "")]
    [InlineData("describe", " ")]
    [InlineData("describe", "..")]
    [InlineData("delete --yes", ".")]
    [InlineData("key create", "")]
    [InlineData("key revoke", "..")]
    [InlineData("deploy", "")]
    [InlineData("usage", "")]
    [InlineData("list --server", "")]
    [InlineData("deploy x.onnx --name", "")]
    [InlineData("invoke digits --file", "")]
    [InlineData("apply -f", "")]
    public async Task An_empty_name_is_refused_before_anything_is_asked(string line, string name)
    {
        var result = await _shell.RunAsync([.. line.Split(' '), name, "--key", "k"]);

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains(name.Trim().Length == 0 ? " is empty." : $"'{name}' is no ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_command_line_is_a_problem_document_with_json_output()
    {
        var result = await _shell.RunAsync("deploy", "x.onnx", "--memroy", "1", "--output", "json");

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Equal("usage_invalid", result.ErrorJson.GetProperty("code").GetString());
        Assert.Equal("urn:dormouse:problem:usage_invalid", result.ErrorJson.GetProperty("type").GetString());
        Assert.False(result.ErrorJson.TryGetProperty("status", out _));
        Assert.Empty(result.Out);
    }

    [Fact]
    public async Task A_server_that_is_not_there_ends_with_5()
    {
        var result = await _shell.RunAsync("list", "--server", ClosedAddress());

        Assert.Equal(ExitCodes.Unreachable, result.Code);
        Assert.Contains("No Dormouse server answers at http://127.0.0.1:", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_a_problem_document_with_json_output()
    {
        var result = await _shell.RunAsync("list", "--output", "json", "--server", ClosedAddress());

        Assert.Equal(ExitCodes.Unreachable, result.Code);
        Assert.Equal("server_unreachable", result.ErrorJson.GetProperty("code").GetString());
    }

    [Fact]
    public async Task An_interrupted_command_ends_with_130()
    {
        await using var server = await FakeServer.StartAsync();
        using var shell = new Shell(server);
        using var interrupt = new CancellationTokenSource();
        server.Handlers["slow"] = async context =>
        {
            await interrupt.CancelAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        };

        var code = await CommandLine.RunAsync(["invoke", "slow", "--path", "/"], shell.Surroundings(TextWriter.Null, TextWriter.Null, Stream.Null), interrupt.Token);

        Assert.Equal(ExitCodes.Interrupted, code);
    }

    [Fact]
    public async Task The_version_is_shown_without_a_server()
    {
        var result = (await _shell.RunAsync("version", "--server", ClosedAddress())).Done();

        Assert.StartsWith("dormouse ", result.Out, StringComparison.Ordinal);
        Assert.Contains("none answers", result.Out, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _shell.Dispose();
        _closed.Dispose();
    }

    /// <summary>An address on which nothing listens: its port is taken, so that it is nobody else's.</summary>
    private string ClosedAddress()
    {
        if (!_closed.IsBound)
        {
            _closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        }

        return "http://127.0.0.1:" + ((IPEndPoint)_closed.LocalEndPoint!).Port; // Not null: it is bound.
    }
}
