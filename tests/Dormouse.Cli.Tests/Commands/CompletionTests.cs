using System.Diagnostics;

namespace Dormouse.Cli.Tests.Commands;

public sealed class CompletionTests : IDisposable
{
    private readonly Shell _shell = new();

    [Theory]
    [InlineData("depl", "deploy")]
    [InlineData("deploy --mem", "--memory")]
    [InlineData("key ", "revoke")]
    [InlineData("list --output ", "json")]
    [InlineData("deploy x --picture-channels g", "grey")]
    [InlineData("completion ", "fish")]
    public async Task The_program_completes_a_line(string line, string expected)
    {
        var result = (await _shell.RunAsync($"[suggest:{line.Length}]", line)).Done();

        Assert.Contains(expected, result.Out.Split('\n', StringSplitOptions.TrimEntries));
    }

    [Theory]
    [InlineData("")]
    [InlineData("deploy x ")]
    [InlineData("key ")]
    public async Task No_spelling_of_help_is_offered_that_nobody_types(string line)
    {
        var offered = (await _shell.RunAsync($"[suggest:{line.Length}]", line)).Done().Out.Split('\n', StringSplitOptions.TrimEntries);

        Assert.Contains("--help", offered);
        Assert.DoesNotContain(offered, o => o.Contains('?', StringComparison.Ordinal) || o.StartsWith('/'));
    }

    [Fact]
    public async Task The_bash_script_completes_through_the_program()
    {
        var script = _shell.Write("dormouse.bash", (await _shell.RunAsync("completion", "bash")).Done().Out);
        // A stand-in that shows what the script asks with, and answers two words.
        _shell.Write("bin/dormouse", "#!/bin/sh\nprintf '%s|%s\\n' \"$1\" \"$2\" >\"$ASKED\"\nprintf 'describe\\ndelete\\n'\n");
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("There is no bash on Windows.");
            return;
        }

        File.SetUnixFileMode(Path.Combine(_shell.Folder, "bin/dormouse"), UnixFileMode.UserRead | UnixFileMode.UserExecute);

        var output = await RunAsync(
            "bash",
            $"""
            source '{script}'
            COMP_LINE='dormouse de'; COMP_POINT=11; COMP_WORDS=(dormouse de); COMP_CWORD=1
            _dormouse_complete
            printf '%s\n' "${"{"}COMPREPLY[@]{"}"}"
            cat "$ASKED"
            """);

        Assert.Equal(["describe", "delete", "[suggest:2]|de"], output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("zsh", "compdef _dormouse dormouse")]
    [InlineData("fish", "complete -c dormouse")]
    public async Task Other_shells_get_a_script_that_asks_the_program(string shell, string line)
    {
        var result = (await _shell.RunAsync("completion", shell)).Done();

        Assert.Contains(line, result.Out, StringComparison.Ordinal);
        Assert.Contains("[suggest:", result.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task The_scripts_of_other_shells_parse_where_the_shell_is_installed(string shell)
    {
        if (!Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(p => File.Exists(Path.Combine(p, shell))))
        {
            Assert.Skip($"{shell} is not installed.");
        }

        var script = _shell.Write("script", (await _shell.RunAsync("completion", shell)).Done().Out);

        Assert.Equal("", await RunAsync(shell, $"{shell} -n '{script}'"));
    }

    public void Dispose() => _shell.Dispose();

    private async Task<string> RunAsync(string shell, string script)
    {
        var start = new ProcessStartInfo(shell, ["-c", script]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = Path.Combine(_shell.Folder, "bin") + ":" + start.Environment["PATH"];
        start.Environment["ASKED"] = Path.Combine(_shell.Folder, "asked");
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal("", await error);
        return output;
    }
}
