using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Instances;

/// <summary>The engine's telemetry, on by default, is off in every process of the product: it would open a database in the home folder, start a thread and call out.</summary>
public sealed class EngineTelemetryTests
{
    /// <summary>Threads of a worker: those of .NET and of Kestrel by their names, the one that starts the engine, and the reader of the control socket.</summary>
    private static readonly string[] KnownThreads = [".NET ", "Kestrel ", "control", "engine start"];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_file_thread_or_connection_of_it_appears()
    {
        using var home = new TemporaryFolder();
        await using var server = await RunningServer.StartAsync(Cancelled, environment: new Dictionary<string, string>
        {
            ["HOME"] = home.Root,
            ["XDG_CACHE_HOME"] = Path.Combine(home.Root, ".cache"),
        });

        await Digits.DeployAsync(server, "silent", Cancelled);
        await InferCall.SendAsync(server, "silent", [Digits.Input(1)], binary: true, Cancelled);
        var workers = server.Workers();

        Assert.NotEmpty(workers);
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(home.Root, "*", SearchOption.AllDirectories), IsOfTheEngine);
        Assert.All(workers, worker =>
        {
            Assert.Contains("ORT_DISABLE_TELEMETRY=1", File.ReadAllText($"/proc/{worker}/environ").Split('\0'));
            Assert.DoesNotContain(OpenFiles(worker), IsOfTheEngine);
            Assert.DoesNotContain(OpenFiles(worker), file => Internet().Contains(file));
        });
        foreach (var worker in workers)
        {
            // A thread that names itself not has the program's name, as the main thread has; one that begins has it until it is named.
            await Waiting.UntilAsync(
                () => Threads(worker).Count(name => !KnownThreads.Any(known => name.StartsWith(known, StringComparison.Ordinal))) == 1,
                $"the main thread is the only one without a known name, of {string.Join(", ", Threads(worker))}", Cancelled);
        }
    }

    private static bool IsOfTheEngine(string path) =>
        path.Contains("DeveloperTools", StringComparison.Ordinal) || path.Contains("onnxruntime", StringComparison.OrdinalIgnoreCase);

    /// <summary>What the descriptors of a process are: paths, <c>socket:[inode]</c>, …; not those that were closed since they were listed.</summary>
    private static string[] OpenFiles(int process) =>
        [.. Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").Select(descriptor => new FileInfo(descriptor).LinkTarget).OfType<string>()];

    private static string[] Threads(int process) => [.. Directory.EnumerateDirectories($"/proc/{process}/task").Select(task => Processes.Read(task + "/comm").Trim()).Where(name => name.Length > 0)];

    /// <summary>All sockets of the internet families, in the form that descriptors have.</summary>
    private static HashSet<string> Internet() =>
        [.. new[] { "tcp", "tcp6", "udp", "udp6" }.Select(family => "/proc/net/" + family).Where(File.Exists).SelectMany(table => File.ReadLines(table).Skip(1))
            .Select(line => $"socket:[{line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[9]}]")];
}
