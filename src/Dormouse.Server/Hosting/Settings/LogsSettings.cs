namespace Dormouse.Server.Hosting.Settings;

/// <summary>What is kept of what instances write.</summary>
internal sealed record LogsSettings
{
    /// <summary>Lines of one endpoint on disk, bytes. Default 16 MiB, 64 KiB to 16 GiB; 0 = none: only the last lines in memory.</summary>
    public required long EndpointBytes { get; init; }

    /// <summary>Lines of all endpoints on disk, bytes. Default 1 GiB, 64 KiB to 1 TiB.</summary>
    public required long TotalBytes { get; init; }

    /// <summary>How long lines are kept on disk. Default 7 days, 1 min to 365 days.</summary>
    public required TimeSpan Keep { get; init; }

    /// <summary>Lines of one endpoint a second; more are dropped and counted. Default 1,000, 1 to 100,000.</summary>
    public required int LinesPerSecond { get; init; }

    public static LogsSettings Read(SettingsReader reader) => new()
    {
        EndpointBytes = reader.SizeBytes("logs.per_endpoint", 16L << 20, 0, 16L << 30) is var bytes && bytes is > 0 and < (64 << 10) ? 64 << 10 : bytes,
        TotalBytes = reader.SizeBytes("logs.total", 1L << 30, 64 << 10, 1L << 40),
        Keep = reader.Duration("logs.keep", TimeSpan.FromDays(7), TimeSpan.FromMinutes(1), TimeSpan.FromDays(365)),
        LinesPerSecond = reader.Number("logs.lines_per_second", 1000, 1, 100_000),
    };
}
