namespace Dormouse.Server.Hosting.Settings;

/// <summary>Reading the files of a start ahead of calls that are likely.</summary>
internal sealed record PrefetchSettings
{
    /// <summary>What is read for one start at most, bytes. Default 1 GiB, up to 1 TiB; 0 = nothing is recorded or read.</summary>
    public required long BytesMax { get; init; }

    /// <summary>What is read in a second, for all endpoints together. Default 256 MiB, 1 MiB to 64 GiB.</summary>
    public required long BytesPerSecond { get; init; }

    public static PrefetchSettings Read(SettingsReader reader) => new()
    {
        BytesMax = reader.SizeBytes("prefetch.size", 1L << 30, 0, 1L << 40),
        BytesPerSecond = reader.SizeBytes("prefetch.rate", 256L << 20, 1L << 20, 64L << 30),
    };
}
