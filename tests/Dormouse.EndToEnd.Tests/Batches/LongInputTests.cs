using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Functions;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Batches;

/// <summary>
/// An input that is much longer than the memory that server and command line may use: 10 GB with <c>./test --long</c> where the disk has room for it twice, 1 GB where not, else enough to go the
/// same way.
/// </summary>
public sealed class LongInputTests
{
    private const long MiB = 1 << 20;

    /// <summary>Much less than the input of the long test, and what both may ever have resident; the server needs some 100 MiB for itself, and holds a window of items.</summary>
    private const long ServerBytesMax = 512 * MiB;

    private const long ClientBytesMax = 192 * MiB;

    private const int LineBytes = 1_000_000;

    /// <summary>Runs what its arguments say, and then writes the most memory that it had resident, in KiB.</summary>
    private const string Measured = "import resource, subprocess, sys; rc = subprocess.call(sys.argv[2:]); open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)); sys.exit(rc)";

    private const string Lengths = """
        def handler(input):
            return {"n": input["n"], "length": len(input["pad"])}
        """;

    private static readonly bool IsLong = Environment.GetEnvironmentVariable("DORMOUSE_TEST_LONG") == "1";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task However_long_the_input_is_the_memory_of_server_and_command_line_is_bounded()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        // The server keeps a copy, and the queue a window.
        var bytes = !IsLong ? 50 * MiB : new DriveInfo(files.Root).AvailableFreeSpace > 24L << 30 ? 10_000_000_000 : 1_000_000_000;
        var items = (int)(bytes / LineBytes);
        var data = Directory.CreateDirectory(Path.Combine(files.Root, "data")).FullName;
        await using var server = await RunningServer.StartAsync(Cancelled, data);
        await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("app/main.py", Lengths), "--name", "lengths", "--concurrency", "2");
        var (input, output, most) = (Path.Combine(files.Root, "long.jsonl"), Path.Combine(files.Root, "results.jsonl"), Path.Combine(files.Root, "most"));
        await WriteAsync(input, items);

        var run = await RunAsync(server, most, "batch", "lengths", "--input", input, "--output", output, "--yes");

        run.AssertExit(0);
        var results = 0;
        await foreach (var line in File.ReadLinesAsync(output, Cancelled))
        {
            var result = JsonNode.Parse(line)!;
            Assert.Equal(++results, result["item"]!.GetValue<int>());
            Assert.Equal((results, PadOf(results)), (result["output"]!["n"]!.GetValue<int>(), result["output"]!["length"]!.GetValue<int>()));
        }

        Assert.Equal(items, results);
        var client = 1024 * long.Parse(await File.ReadAllTextAsync(most, Cancelled), CultureInfo.InvariantCulture);
        var served = 1024 * Most(server.ProcessId);
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{items} items, {new FileInfo(input).Length / MiB} MiB: most resident memory of the server {served / MiB} MiB, of the command line {client / MiB} MiB."));
        Assert.True(served < ServerBytesMax, $"The server had {served / MiB} MiB resident.");
        Assert.True(client < ClientBytesMax, $"The command line had {client / MiB} MiB resident.");
    }

    /// <summary>Lines of about the same length, each another.</summary>
    private static int PadOf(int number) => LineBytes - (number % 1_000);

    private static async Task WriteAsync(string path, int items)
    {
        var pad = new byte[LineBytes];
        pad.AsSpan().Fill((byte)'x');
        await using var file = File.Create(path, (int)MiB);
        for (var number = 1; number <= items; number++)
        {
            await file.WriteAsync(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"n\":{number},\"pad\":\"")), Cancelled);
            await file.WriteAsync(pad.AsMemory(0, PadOf(number)), Cancelled);
            await file.WriteAsync("\"}\n"u8.ToArray(), Cancelled);
        }
    }

    /// <summary>The command line under a program that looks at its memory.</summary>
    private static async Task<CommandRun> RunAsync(RunningServer server, string most, params string[] arguments)
    {
        var start = new System.Diagnostics.ProcessStartInfo("python3", ["-c", Measured, most, Checkout.Dormouse, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        (start.Environment["DORMOUSE_SERVER"], start.Environment["DORMOUSE_API_KEY"]) = (server.Address.ToString(), server.Key);
        using var process = System.Diagnostics.Process.Start(start)!;
        process.StandardInput.Close();
        try
        {
            var (output, error) = (process.StandardOutput.ReadToEndAsync(Cancelled), process.StandardError.ReadToEndAsync(Cancelled));
            await process.WaitForExitAsync(Cancelled);
            return new CommandRun(process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    /// <summary>The most memory that a process has had resident, in KiB.</summary>
    private static long Most(int process) => long.Parse(
        Processes.Read($"/proc/{process}/status").Split('\n').Single(l => l.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture);
}
