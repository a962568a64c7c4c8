using System.Diagnostics.Metrics;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Environments;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Prefetch;
using Dormouse.Server.Routing;
using Dormouse.Server.Telemetry;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Server.Tests.Prefetch;

/// <summary>Recorder and prefetcher over real files, without a server around them.</summary>
internal sealed class PrefetchParts : IAsyncDisposable
{
    public const int Mib = 1 << 20;

    private static readonly EnvironmentId Environment = new(new string('e', EnvironmentId.Length));

    private readonly ServiceProvider _meters = new ServiceCollection().AddMetrics().BuildServiceProvider();

    public PrefetchParts(long bytesMax = 64 * Mib, long bytesPerSecond = 1L << 30)
    {
        var places = new StartPlaces(new NamedBlobs { Folder = Files.Package }, new EnvironmentFolders(Files.Environments, Time));
        var settings = new PrefetchSettings { BytesMax = bytesMax, BytesPerSecond = bytesPerSecond };
        var routing = new RoutingTable();
        Recorder = new StartRecorder(places, settings, Time, NullLogger<StartRecorder>.Instance);
        var reports = new PrefetchReports(new PrefetchMetrics(_meters.GetRequiredService<IMeterFactory>(), new EndpointLabels(routing)), routing, new DispatchEvents(), Scaling, new MonotonicClock(Time));
        Prefetcher = new Prefetcher(places, new StartRecords(Log), settings, reports, () => Memory, Time, NullLogger<Prefetcher>.Instance);
    }

    public ColdFiles Files { get; } = new();

    public FakeTimeProvider Time { get; } = new();

    public CountingLogger<StartRecords> Log { get; } = new();

    public MachineMemory Memory { get; set; } = new(8L << 30, 10L << 30);

    public ScalingLog Scaling { get; } = new(TimeProvider.System);

    public StartRecorder Recorder { get; }

    public Prefetcher Prefetcher { get; }

    public Revision Revision { get; } = new()
    {
        Id = new RevisionId(new EndpointId(new Guid("01990000-0000-7000-8000-0000000000aa")), 1),
        Tenant = TenantId.Default,
        State = RevisionState.Ready,
        Package = new Package([new PackageFile("app.py", new BlobHash(new string('a', 64)), 1)]),
        Spec = new RevisionSpec { Runtime = RuntimeKind.Python.Name, PythonEnvironment = Environment },
        CreatedAt = default,
    };

    public InstanceId Instance => new(Revision.Id, 1);

    public string RecordPath => StartPlaces.RecordOf(Revision, Files.Package);

    public string EnvironmentFolder => Path.Combine(Files.Environments, Environment.Value);

    /// <summary>What was said among the changes of scale, newest first.</summary>
    public IEnumerable<string> Said => Scaling.Read(Revision.Id.Endpoint).Select(c => c.Change.Reason);

    public static InstanceReady Ready(bool usedOptimised = true) => new("/run/i1", Rung.Pool, TimeSpan.FromMilliseconds(3), TimeSpan.FromMilliseconds(2), "{}", usedOptimised);

    /// <summary>Writes a record of files in the package.</summary>
    public void Record(params (string Name, int SizeBytes, int[] Ranges)[] files) => StartRecords.Write(
        RecordPath, new StartRecord(StartRecord.CurrentVersion, [.. files.Select(f => new UsedFile(FilePlace.Package, f.Name, f.SizeBytes, [.. f.Ranges]))]));

    public StartRecord? ReadRecord() => new StartRecords(Log).Read(RecordPath);

    /// <summary>Wants the files and waits until nothing more is to be asked for.</summary>
    public Task PrefetchAsync()
    {
        Prefetcher.Want(Revision, "a call is likely");
        return Prefetcher.WhenAllAsync();
    }

    /// <summary>Lets a recorded start be over.</summary>
    public async Task FinishAsync()
    {
        Time.Advance(StartRecorder.Afterwards);
        await Recorder.WhenAllAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Prefetcher.DisposeAsync();
        await Recorder.DisposeAsync();
        await _meters.DisposeAsync();
        Files.Dispose();
    }
}
