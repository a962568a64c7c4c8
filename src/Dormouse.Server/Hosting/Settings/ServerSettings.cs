using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Storage;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>Everything that a server can be told, checked. docs/spec/configuration.md mirrors it; a test walks both.</summary>
internal sealed record ServerSettings
{
    public required HostingSettings Server { get; init; }

    public required StorageSettings Storage { get; init; }

    public required BlobsSettings Blobs { get; init; }

    public required WorkersSettings Workers { get; init; }

    public required MachineSettings Machine { get; init; }

    public required PrefetchSettings Prefetch { get; init; }

    public required VerifySettings Verify { get; init; }

    public required UploadsSettings Uploads { get; init; }

    public required QueuesSettings Queues { get; init; }

    public required DestinationsSettings Destinations { get; init; }

    public required TriggersSettings Triggers { get; init; }

    public required BatchesSettings Batches { get; init; }

    public required EnvironmentsSettings Environments { get; init; }

    public required SecretsSettings Secrets { get; init; }

    public required LogsSettings Logs { get; init; }

    /// <summary>Where and how the server keeps its data.</summary>
    public StorageOptions StorageOptions => new()
    {
        FolderPath = Server.DataFolder,
        Postgres = Storage.Postgres,
        Bucket = Blobs.Bucket,
        CacheBytesMax = Blobs.CacheBytesMax,
        SecretsKeyFile = Secrets.KeyFile,
    };

    /// <summary>Where environments are.</summary>
    public string SnapshotsFolder => Path.Combine(Server.DataFolder, "snapshots");

    public string EnvironmentsFolder => Path.Combine(Server.DataFolder, "environments");

    /// <summary>Where results of batch jobs are.</summary>
    public string BatchesFolder => Path.Combine(Server.DataFolder, "batches");

    public required PricesSettings Prices { get; init; }

    public required TelemetrySettings Telemetry { get; init; }

    public required LoggingSettings Logging { get; init; }

    /// <summary>The administrator's key from <c>DORMOUSE_ADMIN_KEY</c>; null = the one in the data folder.</summary>
    public string? AdminKey { get; init; }

    /// <summary>Puts defaults, file, environment and command line together, the later over the earlier.</summary>
    /// <exception cref="ServerStartException">Something is unknown or not allowed; all of it is named at once.</exception>
    public static ServerSettings Load(ServerOptions options, IReadOnlyDictionary<string, string> environment)
    {
        var named = EnvironmentSettings.Read(environment);
        var folder = options.DataFolder ?? Value(environment, "DORMOUSE_DATA");
        var file = options.ConfigFile ?? DefaultFile(folder ?? ServerOptions.DefaultDataFolder(environment));
        ImmutableArray<Setting> written = file is null ? [] : YamlSettings.Read(ReadFile(file), Path.GetFileName(file));
        var reader = new SettingsReader([.. written, .. named, .. Places(options, environment), .. CommandLine(options)]);
        var settings = Read(reader, folder, environment);
        reader.Finish();
        return settings;
    }

    /// <summary>Asks for every setting; the keys are then known to the reader.</summary>
    internal static ServerSettings Read(SettingsReader reader, string? folder, IReadOnlyDictionary<string, string> environment) => Read(reader, folder, environment, S3Settings.Read(reader));

    private static ServerSettings Read(SettingsReader reader, string? folder, IReadOnlyDictionary<string, string> environment, S3Settings s3) => new()
    {
        Server = HostingSettings.Read(reader, folder, ServerOptions.DefaultDataFolder(environment)),
        Storage = StorageSettings.Read(reader),
        Blobs = BlobsSettings.Read(reader, s3),
        Secrets = SecretsSettings.Read(reader),
        Logs = LogsSettings.Read(reader),
        Workers = WorkersSettings.Read(reader, environment),
        Machine = MachineSettings.Read(reader),
        Prefetch = PrefetchSettings.Read(reader),
        Verify = VerifySettings.Read(reader),
        Uploads = UploadsSettings.Read(reader),
        Queues = QueuesSettings.Read(reader),
        Destinations = DestinationsSettings.Read(reader),
        Triggers = TriggersSettings.Read(reader),
        Batches = BatchesSettings.Read(reader, s3),
        Environments = EnvironmentsSettings.Read(reader),
        Prices = PricesSettings.Read(reader),
        Telemetry = TelemetrySettings.Read(reader),
        Logging = LoggingSettings.Read(reader),
        AdminKey = ReadAdminKey(reader, environment),
    };

    private static IEnumerable<Setting> CommandLine(ServerOptions options)
    {
        (string Key, string Option, string? Value)[] all =
        [
            (HostingSettings.ListenKey, "--listen", options.Listen),
            (HostingSettings.GrpcListenKey, "--grpc-listen", options.GrpcListen),
            (HostingSettings.CertificateKey, "--tls-certificate", options.TlsCertificate),
            (HostingSettings.PrivateKeyKey, "--tls-key", options.TlsKey),
        ];
        foreach (var (key, option, value) in all)
        {
            if (value is not null)
            {
                yield return new Setting(Setting.Canonical(key), option, value, "the command line");
            }
        }
    }

    /// <summary>The keys outside of sections, whose names in the environment have therefore no double underscore.</summary>
    private static IEnumerable<Setting> Places(ServerOptions options, IReadOnlyDictionary<string, string> environment)
    {
        if ((options.Storage ?? Value(environment, "DORMOUSE_STORAGE")) is { } storage)
        {
            yield return new Setting(StorageSettings.Key, StorageSettings.Key, storage, options.Storage is null ? "the environment" : "the command line");
        }

        if (Value(environment, "DORMOUSE_BLOBS") is { } blobs)
        {
            yield return new Setting(BlobsSettings.Key, BlobsSettings.Key, blobs, "the environment");
        }
    }

    private static string? ReadAdminKey(SettingsReader reader, IReadOnlyDictionary<string, string> environment)
    {
        var key = Value(environment, "DORMOUSE_ADMIN_KEY");
        if (key is not null && (key.Length > 512 || key.Any(c => c is <= ' ' or > '~')))
        {
            reader.Fault("DORMOUSE_ADMIN_KEY may hold at most 512 printable ASCII characters without spaces.");
        }

        return key;
    }

    private static string? Value(IReadOnlyDictionary<string, string> environment, string name) =>
        environment.TryGetValue(name, out var value) && value.Length > 0 ? value : null;

    private static string? DefaultFile(string folder)
    {
        var path = Path.Combine(folder, "server.yaml");
        return File.Exists(path) || Directory.Exists(path) ? path : null;
    }

    private static string ReadFile(string path)
    {
        if (Directory.Exists(path))
        {
            throw new ServerStartException(ServerStartFailure.Settings, $"The settings file {path} is a folder. Name the file in it, such as {Path.Combine(path, "server.yaml")}.");
        }

        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ServerStartException(ServerStartFailure.Settings, $"The settings file {path} cannot be read: {e.Message}", e);
        }
    }
}

/// <summary>The programs that instances run in.</summary>
internal sealed record WorkersSettings
{
    private const string BestIsolation = "best";

    /// <summary>Null = the one beside the server.</summary>
    public string? WorkerPath { get; init; }

    /// <summary>Null = the one beside the server.</summary>
    public string? LauncherPath { get; init; }

    /// <summary>Interpreter of Python endpoints: a path, or a name to look for in PATH. Default python3.</summary>
    public required string Python { get; init; }

    /// <summary>Generic workers kept ready. Default 2, 0 to 64.</summary>
    public required int PoolSize { get; init; }

    /// <summary>Memory of all templates of Python revisions together; 0 = none are made. Default: a twentieth of the machine's.</summary>
    public required long TemplatesMemoryBytes { get; init; }

    /// <summary>How long a template is kept that nobody is forked from. Default 15 min, 1 min to 30 days.</summary>
    public required TimeSpan TemplateIdleTime { get; init; }

    /// <summary>Forks of each template that are kept ready. Default 1, 0 to 16; 0 = a start waits for its fork.</summary>
    public required int SpareForks { get; init; }

    /// <summary>What snapshots of templates may take on disk together; 0 = none are taken. Default 2 GiB.</summary>
    public required long SnapshotsDiskBytes { get; init; }

    /// <summary>A template is written down when it has not been used for this long. Default 10 s, 100 ms to 1 h.</summary>
    public required TimeSpan SnapshotAfter { get; init; }

    /// <summary>CRIU: a program, or the folder of a system that has it. Null = this machine's.</summary>
    public required string? Criu { get; init; }

    /// <summary>How instances are isolated whose revisions say nothing of it. Default: in a sandbox where that works, else as processes.</summary>
    public required IsolationLevel? Isolation { get; init; }

    /// <summary>Size of a sandbox's <c>/tmp</c> and of its <c>/dev/shm</c>, MiB each. Default 256, 1 to 65,536.</summary>
    public required int ScratchMib { get; init; }

    /// <summary>IPv4 networks that are not of the public internet and that sandboxed instances with network: outbound may reach all the same. Default none.</summary>
    public required ImmutableArray<IPNetwork> AllowNetworks { get; init; }

    public static WorkersSettings Read(SettingsReader reader, IReadOnlyDictionary<string, string> environment) => new()
    {
        WorkerPath = reader.Text("workers.worker_path") ?? environment.GetValueOrDefault("DORMOUSE_WORKER_PATH"),
        LauncherPath = reader.Text("workers.launcher_path") ?? environment.GetValueOrDefault("DORMOUSE_LAUNCHER_PATH"),
        Python = reader.Text("workers.python") ?? "python3",
        PoolSize = reader.Number("workers.pool_size", 2, 0, 64),
        TemplatesMemoryBytes = reader.SizeBytes("workers.templates_memory", GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 20, 0, 64L << 40),
        TemplateIdleTime = reader.Duration("workers.template_idle_timeout", TimeSpan.FromMinutes(15), TimeSpan.FromMinutes(1), TimeSpan.FromDays(30)),
        SpareForks = reader.Number("workers.spare_forks", 1, 0, 16),
        SnapshotsDiskBytes = reader.SizeBytes("workers.snapshots_disk", 2L << 30, 0, 64L << 40),
        SnapshotAfter = reader.Duration("workers.snapshot_after", TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1)),
        Criu = reader.Text("workers.criu"),
        Isolation = IsolationLevels.Find(reader.Choice("workers.isolation", BestIsolation, BestIsolation, IsolationLevels.Process, IsolationLevels.Sandbox, IsolationLevels.Container)),
        ScratchMib = reader.Number("workers.scratch_mib", 256, 1, 65_536),
        AllowNetworks = reader.Parse<ImmutableArray<IPNetwork>>("workers.allow_networks", [], NetworkList.ParseV4, "networks of IPv4 with commas between them, such as 10.1.0.0/16 or 192.168.7.4/32"),
    };
}

/// <summary>What of the machine instances may use.</summary>
internal sealed record MachineSettings
{
    /// <summary>Memory of all instances together. Default: four fifths of the machine's. 64 MiB to 64 TiB.</summary>
    public required int MemoryMib { get; init; }

    /// <summary>Instances that start at the same time. Default: the number of cores. 1 to 256.</summary>
    public required int StartsAtOnce { get; init; }

    /// <summary>Starts that may begin in a second, 0.01 to 10,000. Default: no bound.</summary>
    public double? StartsPerSecond { get; init; }

    /// <summary>Cores that revisions may reserve for all instances together. Default: those of the machine. 0.1 to 4,096.</summary>
    public required double Cpu { get; init; }

    public MachineLimits Limits => new(MemoryMib, StartsAtOnce) { StartsPerSecond = StartsPerSecond, CpuMillis = (long)Math.Round(Cpu * 1000) };

    private static double? Decimal(string text, double min, double max) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max ? value : null;

    public static MachineSettings Read(SettingsReader reader)
    {
        var machine = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return new MachineSettings
        {
            MemoryMib = (int)(reader.SizeBytes("machine.memory", Math.Max(64L << 20, machine / 5 * 4), 64L << 20, 64L << 40) >> 20),
            StartsAtOnce = reader.Number("machine.starts_at_once", Math.Clamp(Environment.ProcessorCount, 1, 256), 1, 256),
            StartsPerSecond = reader.Text("machine.starts_per_second") is null or "none" ? null
                : reader.Parse("machine.starts_per_second", 1.0, t => Decimal(t, 0.01, 10_000), "a number from 0.01 to 10000, such as 5, or none"),
            Cpu = reader.Parse("machine.cpu", (double)Math.Min(Environment.ProcessorCount, 4_096), t => Decimal(t, 0.1, 4_096), "a number of cores from 0.1 to 4096, such as 4 or 1.5"),
        };
    }
}

/// <summary>Limits of verifying and optimising a model at deploy.</summary>
internal sealed record VerifySettings
{
    /// <summary>Default 4 GiB or half the machine's memory, whichever is less. 64 MiB to 64 TiB. (A raw load peaks at 2.3 times the weights.)</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Default 120 s, 1 s to 1 h.</summary>
    public required TimeSpan TimeLimit { get; init; }

    public static VerifySettings Read(SettingsReader reader) => new()
    {
        MemoryBytes = reader.SizeBytes(
            "verify.memory", Math.Max(64L << 20, Math.Min(4L << 30, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2)), 64L << 20, 64L << 40),
        TimeLimit = reader.Duration("verify.time_limit", TimeSpan.FromSeconds(120), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
    };
}

/// <summary>Uploads that were begun and not ended.</summary>
internal sealed record UploadsSettings
{
    /// <summary>How long a half-written upload, or a file that nothing refers to, is kept. Default 24 h, 0 to 30 days.</summary>
    public required TimeSpan Keep { get; init; }

    public static UploadsSettings Read(SettingsReader reader) => new()
    {
        Keep = reader.Duration("uploads.keep", TimeSpan.FromHours(24), TimeSpan.Zero, TimeSpan.FromDays(30)),
    };
}

/// <summary>Where metrics go besides <c>/metrics</c>.</summary>
internal sealed record TelemetrySettings
{
    /// <summary>Address of an OpenTelemetry collector (OTLP over gRPC), e.g. http://127.0.0.1:4317. Default none.</summary>
    public Uri? OtlpEndpoint { get; init; }

    public static TelemetrySettings Read(SettingsReader reader) => new()
    {
        OtlpEndpoint = reader.ParseText<Uri?>(
            "telemetry.otlp_endpoint", null,
            text => Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" ? uri : null,
            "an http:// or https:// address, such as http://127.0.0.1:4317"),
    };
}

/// <summary>What the server writes to its standard error.</summary>
internal sealed record LoggingSettings
{
    public required LogLevel Level { get; init; }

    /// <summary>One JSON object a line instead of text.</summary>
    public required bool IsJson { get; init; }

    public static LoggingSettings Read(SettingsReader reader) => new()
    {
        Level = reader.Choice("logging.level", "information", "debug", "information", "warning", "error") switch
        {
            "debug" => LogLevel.Debug,
            "warning" => LogLevel.Warning,
            "error" => LogLevel.Error,
            _ => LogLevel.Information,
        },
        IsJson = reader.Choice("logging.format", "text", "text", "json") == "json",
    };
}
