using Dormouse.Storage.Postgres;

namespace Dormouse.Storage;

/// <summary>Where and how a server keeps what must outlive it.</summary>
public sealed record StorageOptions
{
    /// <summary>The data folder; made when missing.</summary>
    public required string FolderPath { get; init; }

    /// <summary>The database that several servers may share; null = the one in the data folder.</summary>
    public PostgresAddress? Postgres { get; init; }

    /// <summary>Size of the invocation journal, bytes. Default 16 MiB (65,520 invocations not yet in the ledger), allowed 64 KiB to 1 GiB.</summary>
    public long JournalBytes { get; init; } = 16L << 20;

    /// <summary>Longest time that a closed receipt stays in the journal alone while the ledger works. Default 50 ms.</summary>
    public TimeSpan FoldInterval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Largest single file that may be uploaded, bytes. Default 64 GiB.</summary>
    public long BlobBytesMax { get; init; } = 64L << 30;
}
