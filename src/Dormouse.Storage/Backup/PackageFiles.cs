using System.Collections.Immutable;
using System.Security.Cryptography;
using Dormouse.Core.Packages;
using Dormouse.Storage.Sql;

namespace Dormouse.Storage.Backup;

/// <summary>The files that a database refers to, as they lie in a folder <c>blobs/ab/ab12…</c>.</summary>
internal static class PackageFiles
{
    /// <summary>Each once, in order of hash.</summary>
    public static ImmutableArray<(BlobHash Hash, long SizeBytes)> Referenced(SqlSession session) =>
    [
        .. session.All(
            """
            SELECT hash, MAX(size_bytes) FROM (
                SELECT hash, size_bytes FROM revision_files UNION ALL SELECT hash, size_bytes FROM derived_files
                UNION ALL SELECT location AS hash, input_bytes AS size_bytes FROM batches WHERE place = 'uploaded') AS files
            GROUP BY hash ORDER BY hash
            """,
            r => (new BlobHash(r.GetString(0)), r.GetInt64(1))),
    ];

    public static string PathOf(string blobs, BlobHash hash) => Path.Combine(blobs, hash.Value[..2], hash.Value);

    /// <summary>What is wrong with a file; null when it is there and its content has its hash.</summary>
    public static string? Fault(string blobs, BlobHash hash, long sizeBytes, CancellationToken cancellationToken)
    {
        var file = new FileInfo(PathOf(blobs, hash));
        if (!file.Exists)
        {
            return $"File {hash} is missing in {blobs}.";
        }

        if (file.Length != sizeBytes)
        {
            return $"File {hash} in {blobs} has {file.Length} bytes; {sizeBytes} were stored.";
        }

        using var content = file.OpenRead();
        using var sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        while (content.Read(buffer) is > 0 and var read)
        {
            cancellationToken.ThrowIfCancellationRequested();
            sum.AppendData(buffer, 0, read);
        }

        return Convert.ToHexStringLower(sum.GetHashAndReset()) == hash.Value ? null : $"File {hash} in {blobs} has another content than was stored.";
    }

    /// <summary>Copies those that are not there yet, each under another name until it is whole.</summary>
    public static void Copy(string from, string to, IEnumerable<(BlobHash Hash, long SizeBytes)> files, CancellationToken cancellationToken)
    {
        foreach (var (hash, _) in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var target = PathOf(to, hash);
            if (!File.Exists(target))
            {
                DataFolder.MakeFolder(Path.GetDirectoryName(target)!);
                File.Copy(PathOf(from, hash), target + ".copy", overwrite: true);
                Flush(target + ".copy");
                File.Move(target + ".copy", target);
            }
        }
    }

    /// <summary>Brings those that are not there yet from the place that servers share.</summary>
    public static void Fetch(StorageOptions options, string to, IEnumerable<(BlobHash Hash, long SizeBytes)> files, CancellationToken cancellationToken)
    {
        var missing = files.Where(f => !File.Exists(PathOf(to, f.Hash))).ToList();
        if (missing.Count == 0 || options.Bucket?.Invoke() is not { } bucket)
        {
            return;
        }

        foreach (var (hash, _) in missing)
        {
            var target = PathOf(to, hash);
            DataFolder.MakeFolder(Path.GetDirectoryName(target)!);
            using (var file = new FileStream(target + ".copy", FileMode.Create))
            {
                if (!bucket.GetAsync(hash, file, cancellationToken).GetAwaiter().GetResult())
                {
                    continue;
                }

                file.Flush(flushToDisk: true);
            }

            File.Move(target + ".copy", target);
        }
    }

    public static void Flush(string path)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(file);
    }
}
