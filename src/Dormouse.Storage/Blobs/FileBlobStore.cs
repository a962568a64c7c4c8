using System.Collections.Frozen;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Core.Sharing;
using Dormouse.Storage.Posix;

namespace Dormouse.Storage.Blobs;

/// <summary>
/// Content-addressed files in the data folder. An upload grows in <c>uploads/tenant/hash</c>; when its hash fits it is flushed, renamed into
/// <c>blobs</c> and entered in the database, in this order, so that a crash leaves an upload to resume or a blob that nobody has yet. A tenant has a blob
/// only by sending all of it, also when another tenant's copy is already here.
/// </summary>
internal sealed class FileBlobStore : IBlobStore
{
    private readonly BlobFolders _folders;
    private readonly IBlobIndex _index;
    private readonly BlobGuard _guard;
    private readonly PackageFolders _packages;
    private readonly IBlobBucket? _bucket;
    private readonly BlobCache? _cache;
    private readonly IServerSharing _sharing;
    private readonly long _bytesMax;
    private readonly KeyedGate<(TenantId, BlobHash)> _uploads = new();

    /// <param name="sharing">One of the servers that share a bucket sweeps it.</param>
    public FileBlobStore(DataFolder folder, IBlobIndex index, IServerSharing sharing, StorageOptions options, TimeProvider time)
    {
        _folders = new BlobFolders(folder);
        _folders.Make();
        _index = index;
        _sharing = sharing;
        _bytesMax = options.BlobBytesMax;
        _bucket = options.Bucket?.Invoke();
        _guard = new BlobGuard(_folders, index, _bucket, time);
        _packages = new PackageFolders(
            _folders, sharing.IsShared ? "It was sent to another server: give all of them one place for files with the setting 'blobs' (a folder that they share, or s3://BUCKET), or deploy again on this one." : "Deploy again.", time);
        _cache = _bucket is null ? null : new BlobCache(_folders, _guard, _packages, index, _bucket, options.CacheBytesMax, time);
    }

    public async Task<BlobStatus> StatusAsync(TenantId tenant, BlobHash hash, CancellationToken cancellationToken)
    {
        await PoolThread.Go();
        var upload = new FileInfo(_folders.Upload(tenant, hash));
        return await CompleteSizeAsync(tenant, hash, cancellationToken) is { } size
            ? new BlobStatus(true, size)
            : new BlobStatus(false, upload.Exists ? upload.Length : 0);
    }

    /// <inheritdoc/>
    /// <remarks>Of two callers at once the second waits for the first, and then goes on from where that one ended. Bytes beyond <paramref name="sizeBytes"/> are not read.</remarks>
    /// <exception cref="ArgumentException">The size is negative, or a name cannot be one.</exception>
    public async Task<BlobAppend> AppendAsync(TenantId tenant, BlobHash hash, long sizeBytes, long offset, Stream content, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        if (sizeBytes > _bytesMax)
        {
            return new BlobAppend.TooLarge(_bytesMax);
        }

        var path = _folders.Upload(tenant, hash);
        using var turn = await _uploads.EnterAsync((tenant, hash), cancellationToken);
        if (await CompleteSizeAsync(tenant, hash, cancellationToken) is not null)
        {
            return new BlobAppend.Complete();
        }

        await PoolThread.Go();
        try
        {
            using var upload = UploadFile.Open(path);
            if (upload.Length > sizeBytes)
            {
                // Sent under another size before: one of the two was wrong, so neither is trusted.
                upload.Restart();
            }

            return offset == upload.Length
                ? await AppendAsync(tenant, hash, sizeBytes, upload, content, cancellationToken)
                : new BlobAppend.WrongOffset(upload.Length);
        }
        catch (IOException e) when (Libc.IsNoSpace(e))
        {
            // Not even a folder or the database's row had room; what arrived is in the file.
            var kept = new FileInfo(path);
            return new BlobAppend.NoSpace(kept.Exists ? kept.Length : 0);
        }
        finally
        {
            _guard.TouchUpload(path);
        }
    }

    public async Task<PackageFile> AdoptAsync(TenantId tenant, string localPath, string name, CancellationToken cancellationToken)
    {
        _ = _folders.UploadFolder(tenant);
        await PoolThread.Go();
        BlobHash hash;
        long size;
        try
        {
            using (var file = File.OpenHandle(localPath, FileMode.Open, FileAccess.Read, FileShare.Read))
            {
                hash = new BlobHash(Convert.ToHexStringLower(await UploadFile.HashAsync(file, cancellationToken)));
                size = RandomAccess.GetLength(file);
                RandomAccess.FlushToDisk(file);
            }

            await _guard.AddAsync(tenant, hash, size, localPath, cancellationToken);
        }
        catch (IOException e) when (Libc.IsNoSpace(e))
        {
            throw e as StorageFullException ?? new StorageFullException($"The disk has no room for '{name}'.", e);
        }

        return new PackageFile(name, hash, size);
    }

    public string? Materialise(BlobHash hash)
    {
        var path = _folders.Blob(hash);
        return File.Exists(path) ? path : null;
    }

    public async Task<string?> FetchAsync(BlobHash hash, CancellationToken cancellationToken) =>
        Materialise(hash) ?? (_cache is null ? null : await _cache.FetchAsync(hash, cancellationToken));

    public Task<string> MaterialiseAsync(Package package, CancellationToken cancellationToken) => _cache is null
        ? _packages.MaterialiseAsync(package, cancellationToken)
        : _cache.HoldAsync(package, () => _packages.MaterialiseAsync(package, cancellationToken), cancellationToken);

    public void Keep(Func<IEnumerable<Package>> inUse)
    {
        if (_cache is not null)
        {
            _cache.InUse = inUse;
        }
    }

    public async Task<string?> ProbeAsync(CancellationToken cancellationToken)
    {
        if (_bucket is null)
        {
            return null;
        }

        await _bucket.ProbeAsync(cancellationToken);
        return _bucket.Name;
    }

    /// <inheritdoc/>
    /// <remarks>Folders of packages that no revision has are removed with them. The age of a blob counts from its last sending or asking for.</remarks>
    public async Task<long> SweepAsync(DateTimeOffset olderThan, CancellationToken cancellationToken)
    {
        var freed = await SweepUploadsAsync(olderThan, cancellationToken);
        await _packages.SweepAsync((await _index.PackageFilesAsync(cancellationToken)).Keys.ToHashSet(StringComparer.Ordinal), olderThan, cancellationToken);
        await _index.RemoveStaleDerivedAsync(olderThan, cancellationToken);
        var referenced = await _index.ReferencedAsync(cancellationToken);
        foreach (var file in new DirectoryInfo(_folders.Blobs).EnumerateFiles("*", SearchOption.AllDirectories))
        {
            if (!BlobHash.IsValid(file.Name))
            {
                // A copy from another device that a crash cut short.
                freed += RemoveOld(file, olderThan);
            }
            else if (!referenced.Contains(file.Name))
            {
                freed += await _guard.RemoveAsync(new BlobHash(file.Name), olderThan, cancellationToken);
            }
        }

        return _bucket is not null && _sharing.IsOwner ? freed + await SweepBucketAsync(_bucket, referenced, olderThan, cancellationToken) : freed;
    }

    /// <summary>Who is dated as having sent or asked for it is looked at in the transaction that forgets it, so nobody was told meanwhile that it is there.</summary>
    private async Task<long> SweepBucketAsync(IBlobBucket bucket, FrozenSet<string> referenced, DateTimeOffset olderThan, CancellationToken cancellationToken)
    {
        var freed = 0L;
        await foreach (var file in bucket.ListAsync(cancellationToken))
        {
            if (file.WrittenAt < olderThan && !referenced.Contains(file.Hash.Value) && await _index.RemoveUnreferencedAsync(file.Hash, olderThan, cancellationToken))
            {
                await bucket.RemoveAsync(file.Hash, cancellationToken);
                freed += file.SizeBytes;
            }
        }

        return freed;
    }

    private async Task<BlobAppend> AppendAsync(TenantId tenant, BlobHash hash, long size, UploadFile upload, Stream content, CancellationToken cancellationToken)
    {
        if (!await upload.AppendAsync(content, size, cancellationToken))
        {
            return new BlobAppend.NoSpace(upload.Length);
        }

        if (upload.Length < size)
        {
            return new BlobAppend.Partial(upload.Length);
        }

        var actual = await upload.HashAsync(cancellationToken);
        if (actual != hash)
        {
            upload.Delete();
            return new BlobAppend.WrongHash(actual);
        }

        if (!upload.TryFlush())
        {
            return new BlobAppend.NoSpace(upload.Length);
        }

        await _guard.AddAsync(tenant, hash, size, _folders.Upload(tenant, hash), cancellationToken);
        return new BlobAppend.Complete();
    }

    private async Task<long?> CompleteSizeAsync(TenantId tenant, BlobHash hash, CancellationToken cancellationToken) =>
        await _index.FindAsync(tenant, hash, cancellationToken) is { } size && await _guard.TryRenewAsync(tenant, hash, cancellationToken) ? size : null;

    private async Task<long> SweepUploadsAsync(DateTimeOffset olderThan, CancellationToken cancellationToken)
    {
        var freed = 0L;
        foreach (var tenant in new DirectoryInfo(_folders.Uploads).EnumerateDirectories())
        {
            // One that is being written now is young, so nobody is waited for.
            foreach (var file in tenant.EnumerateFiles().Where(f => BlobHash.IsValid(f.Name) && f.LastWriteTimeUtc < olderThan.UtcDateTime))
            {
                using var turn = await _uploads.EnterAsync((new TenantId(tenant.Name), new BlobHash(file.Name)), cancellationToken);
                file.Refresh();
                freed += file.Exists ? RemoveOld(file, olderThan) : 0;
            }
        }

        return freed;
    }

    private static long RemoveOld(FileInfo file, DateTimeOffset olderThan)
    {
        if (file.LastWriteTimeUtc >= olderThan.UtcDateTime)
        {
            return 0;
        }

        var size = file.Length;
        file.Delete();
        return size;
    }
}
