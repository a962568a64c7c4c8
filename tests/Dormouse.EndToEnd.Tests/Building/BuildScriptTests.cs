using System.Diagnostics;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Building;

/// <summary><c>./dormouse</c> and <c>build.sh</c> on a small checkout, with a stand-in for <c>dotnet</c> and only the programs that a test gives them.</summary>
public sealed class BuildScriptTests : IDisposable
{
    private const string Notice = "built without the native tool chain";

    /// <summary>What the scripts need of every system.</summary>
    private static readonly string[] Tools = ["bash", "sh", "env", "cat", "chmod", "cp", "dirname", "find", "flock", "mkdir", "mktemp", "mv", "rm", "tail", "touch"];

    private readonly TemporaryFolder _checkout = new();

    public BuildScriptTests()
    {
        foreach (var script in (string[])["dormouse", "build.sh"])
        {
            File.Copy(Path.Combine(Checkout.Root, script), At(script));
        }

        foreach (var file in (string[])["src/Dormouse.Cli/Program.cs", "models/digits/model.onnx", "python/dormouse/__init__.py", "Directory.Build.props", "global.json"])
        {
            _checkout.Write(file, "");
        }

        Directory.CreateDirectory(At("bin"));
        foreach (var tool in Tools)
        {
            File.CreateSymbolicLink(At("bin/" + tool), ((string[])["/usr/bin/", "/bin/"]).Select(folder => folder + tool).First(File.Exists));
        }

        Program(
            "bin/dotnet",
            """
            #!/bin/sh
            echo "$*" >>"$CALLS"
            case "$*" in *PublishAot=true*) [ ! -e "$NO_ZLIB" ] || exit 1 ;; esac
            while [ "$1" != -o ]; do shift; done
            mkdir -p "$2"
            printf '#!/bin/sh\necho "ran $*"\n' >"$2/dormouse"
            chmod +x "$2/dormouse"
            """);
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 2)]
    public async Task Without_the_native_tool_chain_another_build_takes_its_place_which_is_said_once_with_the_command_that_mends_it(bool hasCompiler, int nativeTries)
    {
        if (hasCompiler)
        {
            // It is there, and linking fails for want of a library.
            Program("bin/clang", "#!/bin/sh\n");
            _checkout.Write("no-zlib", "");
        }

        var first = await RunAsync();
        var second = await RunAsync();

        Assert.Equal("ran version\n", first.Output);
        Assert.Equal(1, first.Error.Split(Notice).Length - 1);
        Assert.Contains("sudo apt-get install clang zlib1g-dev, then touch build.sh", first.Error, StringComparison.Ordinal);
        Assert.Equal(("ran version\n", ""), (second.Output, second.Error));
        Assert.Equal((nativeTries, 3), (Calls().Count(IsNative), Calls().Count(c => !IsNative(c))));

        // What the notice asks for.
        Program("bin/clang", "#!/bin/sh\n");
        File.Delete(At("no-zlib"));
        File.SetLastWriteTimeUtc(At("build.sh"), DateTime.UtcNow.AddHours(1));
        var mended = await RunAsync();

        Assert.DoesNotContain(Notice, mended.Error, StringComparison.Ordinal);
        Assert.Equal((nativeTries + 2, 4), (Calls().Count(IsNative), Calls().Count(c => !IsNative(c))));
    }

    [Fact]
    public async Task With_it_launcher_and_worker_are_native_and_nothing_is_built_again_until_a_source_changes()
    {
        Program("bin/clang", "#!/bin/sh\n");

        var first = await RunAsync();
        var built = Calls().Length;
        var second = await RunAsync();
        var unchanged = Calls().Length;
        File.SetLastWriteTimeUtc(At("src/Dormouse.Cli/Program.cs"), DateTime.UtcNow.AddHours(1));
        await RunAsync();

        Assert.DoesNotContain(Notice, first.Error, StringComparison.Ordinal);
        Assert.Equal(["Dormouse.Launcher", "Dormouse.Worker"], Calls()[..built].Where(IsNative).Select(c => Path.GetFileName(c.Split(' ')[1])));
        Assert.Equal((3, 3, 6), (built, unchanged, Calls().Length));
        Assert.Equal("", second.Error);
    }

    public void Dispose() => _checkout.Dispose();

    private static bool IsNative(string call) => call.Contains("PublishAot=true", StringComparison.Ordinal);

    private string At(string relative) => Path.Combine(_checkout.Root, relative);

    private string[] Calls() => File.ReadAllLines(At("calls"));

    private void Program(string path, string text) =>
        File.SetUnixFileMode(_checkout.Write(path, text), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

    private async Task<(string Output, string Error)> RunAsync()
    {
        var start = new ProcessStartInfo(At("dormouse"), ["version"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = At("bin");
        start.Environment["CALLS"] = At("calls");
        start.Environment["NO_ZLIB"] = At("no-zlib");
        using var process = Process.Start(start) ?? throw new InvalidOperationException("The script did not start.");
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, error);
        return (await output, error);
    }
}
