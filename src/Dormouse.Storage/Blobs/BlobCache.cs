using System.Collections.Concurrent;
using Dormouse.Core.Packages;
using Dormouse.Storage.Posix;

namespace Dormouse.Storage.Blobs;

/// <summary>
/// The data folder's copies of files that lie in a bucket: fetched when they are needed, compared with their hash, and bounded. What no package folder holds goes first, then package folders
/// that nothing has asked for, the longest ago first; those of running instances stay.
/// </summary>
/// <param name="bytesMax">All copies together; more stay only while they are in use.</param>
internal sealed class BlobCache(BlobFolders folders, BlobGuard guard, PackageFolders packages, IBlobIndex index, IBlobBucket bucket, long bytesMax, TimeProvider time)
{
    /// <summary>A package folder that was asked for may be about to be used.</summary>
    private static readonly TimeSpan Young = TimeSpan.FromMinutes(10);

    private readonly KeyedGate<BlobHash> _fetching = new();
    private readonly ConcurrentDictionary<Guid, Package> _needed = new();
    private readonly KeyedGate<bool> _trimming = new();

    /// <summary>Packages whose folders instances run in.</summary>
    public Func<IEnumerable<Package>> InUse { get; set; } = () => [];

    /// <summary>Fetches what is missing of a package, and calls <paramref name="build"/> while all of it is sure to stay.</summary>
    /// <exception cref="BlobsAwayException">The bucket does not answer, or what it gave has another hash.</exception>
    /// <exception cref="FileNotFoundException">A file is not in the bucket either.</exception>
    public async Task<string> HoldAsync(Package package, Func<Task<string>> build, CancellationToken cancellationToken)
    {
        // A folder that is whole needs none of the files.
        var hasFetched = false;
        var key = Guid.CreateVersion7(time.GetUtcNow());
        _needed[key] = package;
        try
        {
            if (!Directory.Exists(folders.Package(PackageName.Of(package.Files))))
            {
                foreach (var file in package.Files.Where(f => !File.Exists(folders.Blob(f.Hash))))
                {
                    hasFetched = true;
                    if (await FetchAsync(file.Hash, cancellationToken) is null)
                    {
                        throw new FileNotFoundException($"The content of '{file.Path}' ({file.Hash}) is neither here nor in {bucket.Name}. Deploy again.", file.Path);
                    }
                }
            }

            return await build();
        }
        finally
        {
            _needed.TryRemove(key, out _);
            if (hasFetched)
            {
                await TrimAsync(cancellationToken);
            }
        }
    }

    /// <summary>Local path of a file, fetched when it is not here; null when it is nowhere.</summary>
    public async Task<string?> FetchAsync(BlobHash hash, CancellationToken cancellationToken)
    {
        var path = folders.Blob(hash);
        using var turn = await _fetching.EnterAsync(hash, cancellationToken);
        if (File.Exists(path))
        {
            return path;
        }

        await PoolThread.Go();
        var half = Path.Combine(folders.Building, hash.Value + ".fetched");
        try
        {
            using (var file = new FileStream(half, FileMode.Create, FileAccess.ReadWrite))
            {
                if (!await bucket.GetAsync(hash, file, cancellationToken))
                {
                    return null;
                }

                file.Flush();
                var actual = Convert.ToHexStringLower(await UploadFile.HashAsync(file.SafeFileHandle, cancellationToken));
                if (actual != hash.Value)
                {
                    throw new BlobsAwayException($"{bucket.Name} gave another content for {hash} (its SHA-256 is {actual}). The copy there is damaged: remove it and deploy again.");
                }

                file.Flush(flushToDisk: true);
            }

            await guard.KeepAsync(hash, half, cancellationToken);
            return path;
        }
        catch (IOException e) when (Libc.IsNoSpace(e))
        {
            throw e as StorageFullException ?? new StorageFullException($"The disk has no room for {hash}.", e);
        }
        finally
        {
            File.Delete(half);
        }
    }

    /// <summary>Removes what is used least until the copies fit. Returns bytes freed.</summary>
    public async Task<long> TrimAsync(CancellationToken cancellationToken)
    {
        using var turn = await _trimming.EnterAsync(true, cancellationToken);
        var copies = new DirectoryInfo(folders.Blobs).EnumerateFiles("*", SearchOption.AllDirectories).Where(f => BlobHash.IsValid(f.Name)).OrderBy(f => f.LastWriteTimeUtc).ToList();
        var excess = copies.Sum(f => f.Length) - bytesMax;
        return excess > 0 ? await TrimAsync(copies, excess, cancellationToken) : 0;
    }

    private async Task<long> TrimAsync(List<FileInfo> copies, long excess, CancellationToken cancellationToken)
    {
        var stays = InUse().Concat(_needed.Values).ToList();
        var names = stays.Select(p => PackageName.Of(p.Files)).ToHashSet(StringComparer.Ordinal);
        var neededHashes = stays.SelectMany(p => p.Files).Select(f => f.Hash.Value).ToHashSet(StringComparer.Ordinal);
        var known = await index.PackageFilesAsync(cancellationToken);
        var built = new DirectoryInfo(folders.Packages).EnumerateDirectories().Where(d => BlobHash.IsValid(d.Name)).OrderBy(d => d.LastWriteTimeUtc).ToList();
        var youngest = time.GetUtcNow().UtcDateTime - Young;
        var idle = new Queue<DirectoryInfo>(built.Where(d => !names.Contains(d.Name) && d.LastWriteTimeUtc < youngest));
        var freed = 0L;
        while (true)
        {
            // Hard links of the same files: a copy frees nothing while a package folder holds it.
            var held = built.SelectMany(d => known.GetValueOrDefault(d.Name, [])).ToHashSet(StringComparer.Ordinal);
            foreach (var copy in copies.Where(c => !held.Contains(c.Name) && !neededHashes.Contains(c.Name)).TakeWhile(_ => freed < excess).ToList())
            {
                freed += copy.Length;
                copies.Remove(copy);
                copy.Delete();
            }

            if (freed >= excess || !idle.TryDequeue(out var folder))
            {
                return freed;
            }

            built.RemoveAll(d => d.Name == folder.Name);
            await packages.RemoveAsync(folder.Name, cancellationToken);
        }
    }
}
