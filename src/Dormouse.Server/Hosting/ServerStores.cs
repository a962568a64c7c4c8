using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers;
using Dormouse.Server.Access;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Hosting;

/// <summary>The real edges: the data folder's stores and the process driver.</summary>
internal sealed class ServerStores : IAsyncDisposable
{
    private readonly StorageSet _storage;
    private readonly OwnedRunFolder? _runFolder;

    private ServerStores(StorageSet storage, OwnedRunFolder? runFolder, ServerParts parts)
    {
        _storage = storage;
        _runFolder = runFolder;
        Parts = parts;
    }

    public ServerParts Parts { get; }

    /// <exception cref="ServerStartException">The data folder cannot be used, or a program is missing.</exception>
    public static async Task<ServerStores> OpenAsync(ServerSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        var ids = new Uuid7Source(time);
        var faults = new StoreFaults();
        var driver = Driver(settings);
        var storage = await OpenStorageAsync(settings, time, ids, faults, cancellationToken);
        // The data folder is this process's now, and with it the run folder.
        var runFolder = OwnedRunFolder.TryOwn(driver.RunFolder);
        try
        {
            OwnedRunFolder.Sweep(driver.RunFolder);
            var parts = new ServerParts
            {
                Time = time,
                Ids = ids,
                Random = new Random(),
                Catalogue = storage.Catalogue,
                Blobs = storage.Blobs,
                Derived = storage.Derived,
                Keys = storage.Keys,
                Ledger = storage.Ledger,
                Queue = storage.Queue,
                Destinations = storage.Destinations,
                Secrets = storage.Secrets,
                Triggers = storage.Triggers,
                Batches = storage.Batches,
                Pipelines = storage.Pipelines,
                Sharing = storage.Sharing,
                Journal = storage.Journal,
                Driver = services =>
                {
                    faults.Connect(services.GetRequiredService<ILogger<StoreFaults>>());
                    return new ProcessDriver(driver, time, services.GetRequiredService<ILogger<ProcessDriver>>());
                },
                Inspector = services => (IModelInspector)services.GetRequiredService<IInstanceDriver>(),
                DescribeStore = storage.DescribeAsync,
                Environments = services => ((ProcessDriver)services.GetRequiredService<IInstanceDriver>()).Environments,
                AdminKey = settings.AdminKey ?? AdminKeyFile.ReadOrCreate(storage.FolderPath),
            };
            return new ServerStores(storage, runFolder, parts);
        }
        catch
        {
            runFolder?.Dispose();
            await storage.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _runFolder?.Dispose();
        await _storage.DisposeAsync();
    }

    private static ProcessDriverOptions Driver(ServerSettings settings)
    {
        var workers = settings.Workers;
        try
        {
            return new ProcessDriverOptions
            {
                LauncherPath = ProgramPaths.Find(
                    workers.LauncherPath, "workers.launcher_path", "dormouse-launcher", "launcher", "Dormouse.Launcher", AppContext.BaseDirectory),
                WorkerPath = ProgramPaths.Find(workers.WorkerPath, "workers.worker_path", "dormouse-worker", "worker", "Dormouse.Worker", AppContext.BaseDirectory),
                RunFolder = RunFolder.For(settings.Server.DataFolder),
                CgroupName = RunFolder.NameFor(settings.Server.DataFolder),
                PoolSize = workers.PoolSize,
                TemplatesMemoryBytes = workers.TemplatesMemoryBytes,
                TemplateIdleTime = workers.TemplateIdleTime,
                SpareForks = workers.SpareForks,
                SnapshotsFolder = settings.SnapshotsFolder,
                SnapshotBytesMax = workers.SnapshotsDiskBytes,
                SnapshotDelay = workers.SnapshotAfter,
                Criu = workers.Criu,
                PythonCommand = workers.Python,
                PythonPackagePath = PythonPackage.Find(AppContext.BaseDirectory),
                Isolation = workers.Isolation,
                ScratchBytes = (long)workers.ScratchMib << 20,
                AllowNetworks = workers.AllowNetworks,
                InspectionsAtOnceMax = 1,
                PythonInterpreters = settings.Environments.Interpreters,
                EnvironmentsFolder = settings.EnvironmentsFolder,
                Builds = settings.Environments.Build,
            };
        }
        catch (IOException e)
        {
            throw new ServerStartException(ServerStartFailure.DataFolder, e.Message, e);
        }
    }

    private static async Task<StorageSet> OpenStorageAsync(
        ServerSettings settings, TimeProvider time, Uuid7Source ids, StoreFaults faults, CancellationToken cancellationToken)
    {
        try
        {
            return await StorageSet.OpenAsync(settings.StorageOptions, time, ids, faults.Report, cancellationToken);
        }
        catch (Exception e) when (e is DataFolderException or StorageFullException)
        {
            throw new ServerStartException(ServerStartFailure.DataFolder, e.Message, e);
        }
    }
}

/// <summary>Background faults of the stores, which begin before there is a log to write them to.</summary>
internal sealed partial class StoreFaults
{
    private volatile ILogger? _logger;

    public void Connect(ILogger logger) => _logger = logger;

    public void Report(Exception fault)
    {
        if (_logger is { } logger)
        {
            LogFault(logger, fault);
        }
    }

    [LoggerMessage(EventId = 5001, EventName = "StoreFault", Level = LogLevel.Error,
        Message = "Receipts cannot be moved from the journal to the ledger; when the journal is full invocations are refused. Is the disk full, or the database away?")]
    private static partial void LogFault(ILogger logger, Exception fault);
}
