using System.Collections.Immutable;
using Dormouse.Core.Batches;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>Batch jobs: what they may read of this machine, how many run, how long they are kept.</summary>
internal sealed record BatchesSettings
{
    public const string BucketsKey = "batches.buckets";

    /// <summary>Absolute paths of folders below which an input may lie. Default none: endpoints' owners are not the machine's.</summary>
    public required ImmutableArray<string> Folders { get; init; }

    /// <summary>Places in buckets in which an input may lie. Default none: the server's credentials are the operator's.</summary>
    public required ImmutableArray<BucketPlace> Buckets { get; init; }

    /// <summary>Reads them, by the settings of the section <c>s3</c>.</summary>
    public required Func<IBucketObjects> Objects { get; init; }

    /// <summary>Jobs that this server runs at once. Default 16, 1 to 1,000.</summary>
    public required int Running { get; init; }

    /// <summary>How long a job, its input and its results are kept after its end. Default 7 days, 1 min to 365 days.</summary>
    public required TimeSpan Keep { get; init; }

    /// <summary>Most bytes of pages and dictionaries of a Parquet input that a job holds at a time. Default 256 MiB, 1 MiB to 1 GiB.</summary>
    public required long ParquetBytesMax { get; init; }

    public static BatchesSettings Read(SettingsReader reader, S3Settings s3) => new()
    {
        Folders = TriggersSettings.ReadFolders(reader, "batches.folders"),
        Buckets = ReadBuckets(reader),
        Objects = s3.Objects,
        Running = reader.Number("batches.running", 16, 1, 1_000),
        Keep = reader.Duration("batches.keep", TimeSpan.FromDays(7), TimeSpan.FromMinutes(1), TimeSpan.FromDays(365)),
        ParquetBytesMax = reader.SizeBytes("batches.parquet_memory", 256L << 20, 1L << 20, 1L << 30),
    };

    public static ImmutableArray<BucketPlace> ReadBuckets(SettingsReader reader) =>
        reader.Parse<ImmutableArray<BucketPlace>>(BucketsKey, [], Places, "places with commas between them, such as s3://scans, s3://data/incoming");

    private static ImmutableArray<BucketPlace>? Places(string text)
    {
        var places = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(BucketPlace.Parse).ToList();
        return places.TrueForAll(p => p is not null) ? [.. places.OfType<BucketPlace>()] : null;
    }
}
