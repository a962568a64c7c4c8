using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Storage.Posix;

namespace Dormouse.Storage.Blobs;

/// <summary>
/// Adds, renews and removes blobs, one caller a blob at a time. A blob that a caller was just told to be here must not be swept before the caller can
/// refer to it, so telling renews its age, and the sweep looks at the age under the same gate.
/// </summary>
/// <param name="bucket">Where the files are for all servers; null = the data folder alone has them.</param>
internal sealed class BlobGuard(BlobFolders folders, IBlobIndex index, IBlobBucket? bucket, TimeProvider time)
{
    /// <summary>A file that is sent again is written to the bucket anew when it is older there: a sweep may be about to remove it.</summary>
    private static readonly TimeSpan FreshTime = TimeSpan.FromHours(1);

    private readonly KeyedGate<BlobHash> _gate = new();

    /// <summary>Moves a sealed file in, durably, unless the same content is here already, undamaged; then enters it for the tenant.</summary>
    public async Task AddAsync(TenantId tenant, BlobHash hash, long sizeBytes, string path, CancellationToken cancellationToken)
    {
        using var turn = await _gate.EnterAsync(hash, cancellationToken);
        if (bucket is not null && !(await bucket.FindAsync(hash, cancellationToken) is { } there && there.SizeBytes == sizeBytes && there.WrittenAt > time.GetUtcNow() - FreshTime))
        {
            await bucket.PutAsync(hash, path, cancellationToken);
            await PoolThread.Go();
        }

        await MoveInAsync(hash, path, cancellationToken);
        await index.AddAsync(tenant, hash, sizeBytes, cancellationToken);
    }

    /// <summary>Moves a file in that came from the bucket; nothing is entered.</summary>
    public async Task KeepAsync(BlobHash hash, string path, CancellationToken cancellationToken)
    {
        using var turn = await _gate.EnterAsync(hash, cancellationToken);
        await MoveInAsync(hash, path, cancellationToken);
    }

    /// <summary>False when the blob is not here, or not in the bucket.</summary>
    public async Task<bool> TryRenewAsync(TenantId tenant, BlobHash hash, CancellationToken cancellationToken)
    {
        using var turn = await _gate.EnterAsync(hash, cancellationToken);
        var blob = folders.Blob(hash);
        if (bucket is not null)
        {
            // The sweep of another server goes by the database's dates: renewed first, looked at afterwards.
            return await index.RenewAsync(tenant, hash, cancellationToken) && await bucket.FindAsync(hash, cancellationToken) is not null;
        }

        if (!File.Exists(blob))
        {
            return false;
        }

        Touch(blob);
        return true;
    }

    /// <summary>Removes a blob that is old and that nothing refers to. Returns its size, 0 when it stays.</summary>
    public async Task<long> RemoveAsync(BlobHash hash, DateTimeOffset olderThan, CancellationToken cancellationToken)
    {
        using var turn = await _gate.EnterAsync(hash, cancellationToken);
        var file = new FileInfo(folders.Blob(hash));
        if (!file.Exists || file.LastWriteTimeUtc >= olderThan.UtcDateTime || (bucket is null && !await index.RemoveUnreferencedAsync(hash, null, cancellationToken)))
        {
            return 0;
        }

        var size = file.Length;
        file.Delete();
        return size;
    }

    /// <summary>Notes that an upload was worked on, when it is still there.</summary>
    public void TouchUpload(string path)
    {
        if (File.Exists(path))
        {
            Touch(path);
        }
    }

    /// <summary>Ages are of the injected clock, like the times that a sweep compares them with.</summary>
    public void Touch(string path) => File.SetLastWriteTimeUtc(path, time.GetUtcNow().UtcDateTime);

    private async Task MoveInAsync(BlobHash hash, string path, CancellationToken cancellationToken)
    {
        var blob = folders.Blob(hash);
        if (File.Exists(blob) && await IsSoundAsync(hash, blob, cancellationToken))
        {
            File.Delete(path);
        }
        else
        {
            MoveIn(hash, path, blob);
        }

        Touch(blob);
    }

    /// <summary>A disk may have lost what was written: the file just made or sent then takes its place.</summary>
    private static async Task<bool> IsSoundAsync(BlobHash hash, string blob, CancellationToken cancellationToken)
    {
        using var file = File.OpenHandle(blob, FileMode.Open, FileAccess.Read, FileShare.Read);
        return Convert.ToHexStringLower(await UploadFile.HashAsync(file, cancellationToken)) == hash.Value;
    }

    private void MoveIn(BlobHash hash, string path, string blob)
    {
        var folder = folders.BlobFolder(hash);
        if (!Directory.Exists(folder))
        {
            DataFolder.MakeFolder(folder);
            Libc.FlushFolder(folders.Blobs);
        }

        // From another device this copies, under a name that no reader looks for, and the copy is made durable before it gets its own.
        if (!Libc.TryRename(path, blob))
        {
            var copy = blob + ".copy";
            File.Copy(path, copy, overwrite: true);
            using (var file = File.OpenHandle(copy, FileMode.Open, FileAccess.Read))
            {
                RandomAccess.FlushToDisk(file);
            }

            File.Move(copy, blob, overwrite: true);
            File.Delete(path);
        }

        // Readable by other users too, because instances may be others; the folder above lets nobody in. Only now: an upload that a crash leaves behind must stay writable.
        File.SetUnixFileMode(blob, BlobFolders.ReadableFile);
        Libc.FlushFolder(folder);
    }
}
