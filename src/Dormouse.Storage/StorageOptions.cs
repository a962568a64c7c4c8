using Dormouse.Core.Packages;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Sealing;

namespace Dormouse.Storage;

/// <summary>Where and how a server keeps what must outlive it.</summary>
public sealed record StorageOptions
{
    /// <summary>The data folder; made when missing.</summary>
    public required string FolderPath { get; init; }

    /// <summary>The database that several servers may share; null = the one in the data folder.</summary>
    public PostgresAddress? Postgres { get; init; }

    /// <summary>Makes the client of the place where complete files lie for all servers; null = they lie in the data folder alone.</summary>
    public Func<IBlobBucket>? Bucket { get; init; }

    /// <summary>With <see cref="Bucket"/>: how much the data folder keeps of it, bytes; what running instances need stays in any case. Default 50 GiB.</summary>
    public long CacheBytesMax { get; init; } = 50L << 30;

    /// <summary>The file with the keys that seal secrets; null = <c>secrets.key</c> of the data folder. Servers that share a database need the same.</summary>
    public string? SecretsKeyFile { get; init; }

    /// <summary>Size of the invocation journal, bytes. Default 16 MiB (65,520 invocations not yet in the ledger), allowed 64 KiB to 1 GiB.</summary>
    public long JournalBytes { get; init; } = 16L << 20;

    /// <summary>Longest time that a closed receipt stays in the journal alone while the ledger works. Default 50 ms.</summary>
    public TimeSpan FoldInterval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Largest single file that may be uploaded, bytes. Default 64 GiB.</summary>
    public long BlobBytesMax { get; init; } = 64L << 30;

    /// <summary>Path of the file with the keys that seal secrets, whether or not it is there yet.</summary>
    public string KeyFilePath => Path.GetFullPath(SecretsKeyFile ?? Path.Combine(FolderPath, KeyFile.DefaultName));
}
