using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Cli;

public sealed class ProgramTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private static readonly Dictionary<string, string> Nothing = [];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task Version_tells_both_ends()
    {
        var run = await CommandRun.DoneAsync(Server, Cancelled, "version");

        Assert.StartsWith("dormouse 0.", run.Output, StringComparison.Ordinal);
        Assert.Contains("server   0.", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_finds_this_machine_fit()
    {
        var run = await CommandRun.DoneAsync(Server, Cancelled, "doctor");

        Assert.Contains(Server.Address.GetLeftPart(UriPartial.Authority), run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("failed", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bash", "complete -o default -F _dormouse_complete dormouse")]
    [InlineData("zsh", "#compdef dormouse")]
    [InlineData("fish", "complete -c dormouse")]
    public async Task A_shell_gets_its_completion_script(string shell, string line)
    {
        var run = await CommandRun.AnyAsync(Nothing, ["completion", shell], Cancelled);

        run.AssertExit(0);
        Assert.Contains(line, run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bash_completes_a_command_with_the_script()
    {
        using var files = new TemporaryFolder();
        var script = files.Write("complete.bash", (await CommandRun.AnyAsync(Nothing, ["completion", "bash"], Cancelled)).Output + $"""

            COMP_WORDS=({Checkout.Dormouse} roll) COMP_CWORD=1 COMP_LINE="{Checkout.Dormouse} roll" COMP_POINT=$(({Checkout.Dormouse.Length} + 5))
            _dormouse_complete
            echo "${"{"}COMPREPLY[@]{"}"}"
            """);
        using var bash = Process.Start(new ProcessStartInfo("bash", [script]) { RedirectStandardOutput = true })!;
        var completed = await bash.StandardOutput.ReadToEndAsync(Cancelled);

        Assert.Equal("rollback\n", completed);
    }

    [Fact]
    public async Task A_typo_gets_a_suggestion()
    {
        var command = await CommandRun.AnyAsync(Nothing, ["depoly", "model.onnx"], Cancelled);
        var option = await CommandRun.AnyAsync(Nothing, ["deploy", "model.onnx", "--memroy", "1GiB"], Cancelled);

        command.AssertExit(2);
        Assert.Contains("deploy", command.Error, StringComparison.Ordinal);
        option.AssertExit(2);
        Assert.Contains("--memory", option.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("deploy")]
    [InlineData("invoke")]
    [InlineData("traffic")]
    public async Task Help_shows_an_example(string command)
    {
        var run = await CommandRun.AnyAsync(Nothing, [command, "--help"], Cancelled);

        run.AssertExit(0);
        Assert.Contains($"dormouse {command} digits", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_does_not_answer_is_exit_code_5()
    {
        // A port that is taken, so that it is nobody else's, and not listened on.
        using var closed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var address = $"http://127.0.0.1:{((IPEndPoint)closed.LocalEndPoint!).Port}"; // Not null: it is bound.

        var run = await CommandRun.AnyAsync(Nothing, ["list", "--server", address, "--key", "dm_a_b"], Cancelled);

        run.AssertExit(5);
        Assert.Contains(address, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_key_is_refused_and_an_error_can_be_a_document()
    {
        var run = await CommandRun.OfAsync(Server, Cancelled, "list", "--key", "dm_wrong_wrong", "--output", "json");

        run.AssertExit(4);
        Assert.Equal("key_invalid", JsonNode.Parse(run.Error)!["code"]!.GetValue<string>());
        Assert.Empty(run.Output);
    }

    [Fact]
    public async Task The_local_servers_address_and_key_are_found_through_its_data_folder()
    {
        var run = await CommandRun.AnyAsync(new Dictionary<string, string> { ["DORMOUSE_DATA"] = Server.Data }, ["list"], Cancelled);

        run.AssertExit(0);
    }

    [Fact]
    public async Task Serve_says_where_it_listens_as_one_document_with_json_output()
    {
        using var files = new TemporaryFolder();
        var start = new ProcessStartInfo(Checkout.Dormouse, ["serve", "--data", Path.Combine(files.Root, "data"), "--listen", "http://127.0.0.1:0", "--output", "json"]) { RedirectStandardOutput = true };
        using var process = Process.Start(start) ?? throw new InvalidOperationException("The command did not start.");
        var document = new List<string>();
        while (document is [] || document[^1] != "}")
        {
            document.Add(await process.StandardOutput.ReadLineAsync(Cancelled) ?? throw new InvalidOperationException($"It ended: {string.Join('\n', document)}"));
        }

        Processes.Signal(process.Id, "INT");
        var rest = await process.StandardOutput.ReadToEndAsync(Cancelled);
        await process.WaitForExitAsync(Cancelled);

        var addresses = JsonNode.Parse(string.Join('\n', document))!;
        Assert.StartsWith("http://127.0.0.1:", addresses["http"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.NotEqual(addresses["http"]!.GetValue<string>(), addresses["grpc"]!.GetValue<string>());
        Assert.Equal(("", 0), (rest, process.ExitCode));
    }

    [Fact]
    public async Task A_second_server_on_the_same_data_folder_says_why_it_does_not_start()
    {
        var run = await CommandRun.AnyAsync(Nothing, ["serve", "--data", Server.Data, "--listen", "http://127.0.0.1:0"], Cancelled);

        Assert.NotEqual(0, run.ExitCode);
        Assert.Contains(Server.Data, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
    }
}
