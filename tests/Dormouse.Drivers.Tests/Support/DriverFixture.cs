using System.Collections.Immutable;
using System.Net.Sockets;
using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dormouse.Drivers.Tests.Support;

/// <summary>A real driver with a real launcher and fake workers in a folder of its own; disposing it asserts that nothing is left.</summary>
internal sealed class DriverFixture : IAsyncDisposable
{
    private int _instances;

    private DriverFixture(string folder, ProcessDriverOptions options)
    {
        Folder = folder;
        Options = options;
        PackageFolder = Path.Combine(folder, "package");
        Directory.CreateDirectory(PackageFolder);
        File.WriteAllText(Path.Combine(PackageFolder, "digits.onnx"), "model");
        Driver = new(options, TimeProvider.System, NullLogger<ProcessDriver>.Instance);
    }

    public string Folder { get; }

    public string PackageFolder { get; }

    public ProcessDriverOptions Options { get; }

    public ProcessDriver Driver { get; }

    public RecordingObserver Observer { get; } = new();

    public string OptimisedPath => Path.Combine(Folder, "digits.ort");

    public bool HasCgroups => Driver.Probes.Any(probe => probe is { Name: "cgroups", Works: true });

    public static async Task<DriverFixture> OpenAsync(string? start = null, Func<ProcessDriverOptions, ProcessDriverOptions>? change = null, bool opens = true)
    {
        var folder = Directory.CreateTempSubdirectory("dmt-").FullName;
        var options = new ProcessDriverOptions
        {
            LauncherPath = Machine.LauncherPath,
            WorkerPath = Machine.FakeWorkerPath,
            RunFolder = Path.Combine(folder, "run"),
            CgroupName = Path.GetFileName(folder),
            PoolSize = 1,
            Isolation = IsolationLevel.Process,
        };
        if (start is not null)
            options = options with { Environment = options.Environment.Add("FAKE_START", start) };
        Directory.CreateDirectory(options.RunFolder);
        var fixture = new DriverFixture(folder, change?.Invoke(options) ?? options);
        try
        {
            if (opens)
                await fixture.Driver.OpenAsync(fixture.Observer, TestContext.Current.CancellationToken);
            return fixture;
        }
        catch
        {
            await fixture.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts an instance that behaves as told.</summary>
    public InstanceId Start(string behaviour = "ready", int memoryMib = 256)
    {
        var instance = new InstanceId(new(new(Guid.Empty), 1), Interlocked.Increment(ref _instances));
        Driver.Start(new()
        {
            Instance = instance,
            Tenant = TenantId.Default,
            Spec = Spec(behaviour, memoryMib),
            Package = Package,
            Folder = PackageFolder,
            OptimisedPath = key => key == "fake-1" && File.Exists(OptimisedPath) ? OptimisedPath : null,
        });
        return instance;
    }

    public async Task<(InstanceId Instance, InstanceReady Ready)> StartReadyAsync(string behaviour = "ready", int memoryMib = 256)
    {
        var instance = Start(behaviour, memoryMib);
        return (instance, await Observer.WaitForAsync<InstanceReady>(instance));
    }

    public InspectionRequest Inspection(string model, bool optimise = false, int memoryMib = 256, TimeSpan? limit = null)
    {
        File.WriteAllText(Path.Combine(PackageFolder, "digits.onnx"), model);
        return new()
        {
            Spec = Spec("ready", memoryMib),
            Package = Package,
            Folder = PackageFolder,
            OptimisedPath = optimise ? OptimisedPath : null,
            MemoryBytes = (long)memoryMib << 20,
            TimeLimit = limit ?? TimeSpan.FromSeconds(60),
        };
    }

    /// <summary>Sends a word to an instance's socket and reads its answer, empty when it ended instead.</summary>
    public static async Task<string> AskAsync(string address, string word)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(address), cancellationToken);
        await socket.SendAsync(Encoding.UTF8.GetBytes(word), cancellationToken);
        var answer = new byte[1024];
        try
        {
            return Encoding.UTF8.GetString(answer, 0, await socket.ReceiveAsync(answer, cancellationToken));
        }
        catch (SocketException)
        {
            return "";
        }
    }

    /// <summary>Process ids of the launcher and the workers.</summary>
    public (int Launcher, int[] Workers) Processes()
    {
        var all = Machine.ProcessesWith(Options.RunFolder);
        // A child that the launcher has just made shows its command line until it runs its own program; its number is the higher one.
        return (
            all.Where(process => process.Value.Contains("--cgroup-name", StringComparison.Ordinal)).Min(process => process.Key),
            [.. all.Where(process => !process.Value.Contains("--cgroup-name", StringComparison.Ordinal)).Select(process => process.Key)]);
    }

    public static int ProcessOf(string address) => Machine.ProcessesWith(address).Single().Key;

    public async ValueTask DisposeAsync()
    {
        await Driver.DisposeAsync();
        Assert.Empty(Machine.ProcessesWith(Options.RunFolder));
        Assert.Empty(Directory.GetFiles(Options.RunFolder));
        Assert.Empty(Machine.CgroupsNamed(Options.CgroupName));
        Directory.Delete(Folder, recursive: true);
    }

    private static Package Package => new([new PackageFile("digits.onnx", new(new string('0', 64)), 5)]);

    private static RevisionSpec Spec(string behaviour, int memoryMib) => new()
    {
        Runtime = "onnx",
        MemoryMib = memoryMib,
        Environment = ImmutableSortedDictionary<string, string>.Empty.Add("FAKE", behaviour),
    };
}
