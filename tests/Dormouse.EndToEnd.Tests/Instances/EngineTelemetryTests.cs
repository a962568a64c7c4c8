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

        await Digits.DeployAsync(server, "silent", Cancelled, new() { ["idle_timeout"] = "1h" });
        await InferCall.SendAsync(server, "silent", [Digits.Input(1)], binary: true, Cancelled);
        Assert.NotEmpty(server.Workers());
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(home.Root, "*", SearchOption.AllDirectories), IsOfTheEngine);
        // Workers come and go: one that begins has its library open for a moment, and threads that are not named yet; one that ends cannot be looked at any more. Files, connections and threads of the
        // engine's telemetry would stay.
        var found = "";
        await Waiting.UntilAsync(
            () => (found = string.Join("; ", server.Workers().Select(Strange).Where(strange => strange.Length > 0))).Length == 0,
            () => $"no worker has a file, a connection or a thread of the telemetry, but there is: {found}", Cancelled);
    }

    /// <summary>What a worker has and should not have, in words; empty when there is nothing, or no such process any more.</summary>
    private static string Strange(int worker)
    {
        var environment = Processes.Read($"/proc/{worker}/environ").Split('\0');
        var files = OpenFiles(worker);
        var internet = Internet();
        // A thread that does not name itself has the program's name, as the main thread has.
        var unnamed = Threads(worker).Where(name => !KnownThreads.Any(known => name.StartsWith(known, StringComparison.Ordinal))).ToArray();
        string[] strange =
        [
            .. environment.Contains("ORT_DISABLE_TELEMETRY=1") ? Array.Empty<string>() : ["no ORT_DISABLE_TELEMETRY"],
            .. files.Where(file => IsOfTheEngine(file) || internet.Contains(file)),
            .. unnamed.Length == 1 ? [] : unnamed.Prepend("threads"),
        ];
        return Processes.Exists(worker) ? string.Join(", ", strange) : "";
    }

    private static bool IsOfTheEngine(string path) =>
        path.Contains("DeveloperTools", StringComparison.Ordinal) || path.Contains("onnxruntime", StringComparison.OrdinalIgnoreCase);

    /// <summary>What the descriptors of a process are: paths, <c>socket:[inode]</c>, …; not those that were closed since they were listed.</summary>
    private static string[] OpenFiles(int process) =>
        [.. Entries($"/proc/{process}/fd").Select(descriptor => new FileInfo(descriptor).LinkTarget).OfType<string>()];

    private static string[] Threads(int process) => [.. Entries($"/proc/{process}/task").Select(task => Processes.Read(task + "/comm").Trim()).Where(name => name.Length > 0)];

    /// <summary>Empty for a process that is gone.</summary>
    private static string[] Entries(string folder)
    {
        try
        {
            return Directory.GetFileSystemEntries(folder);
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>All sockets of the internet families, in the form that descriptors have.</summary>
    private static HashSet<string> Internet() =>
        [.. new[] { "tcp", "tcp6", "udp", "udp6" }.Select(family => "/proc/net/" + family).Where(File.Exists).SelectMany(table => File.ReadLines(table).Skip(1))
            .Select(line => $"socket:[{line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[9]}]")];
}
