using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Storage.Posix;

namespace Dormouse.Storage.Blobs;

/// <summary>
/// Adds, renews and removes blobs, one caller a blob at a time. A blob that a caller was just told to be here must not be swept before the caller can
/// refer to it, so telling renews its age, and the sweep looks at the age under the same gate.
/// </summary>
internal sealed class BlobGuard(BlobFolders folders, IBlobIndex index, TimeProvider time)
{
    private readonly KeyedGate<BlobHash> _gate = new();

    /// <summary>Moves a sealed file in, durably, unless the same content is here already; then enters it for the tenant.</summary>
    public async Task AddAsync(TenantId tenant, BlobHash hash, long sizeBytes, string path, CancellationToken cancellationToken)
    {
        using var turn = await _gate.EnterAsync(hash, cancellationToken);
        var blob = folders.Blob(hash);
        if (File.Exists(blob))
        {
            File.Delete(path);
        }
        else
        {
            MoveIn(hash, path, blob);
        }

        Touch(blob);
        await index.AddAsync(tenant, hash, sizeBytes, cancellationToken);
    }

    /// <summary>False when the blob is not here.</summary>
    public async Task<bool> TryRenewAsync(BlobHash hash, CancellationToken cancellationToken)
    {
        using var turn = await _gate.EnterAsync(hash, cancellationToken);
        var blob = folders.Blob(hash);
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
        if (!file.Exists || file.LastWriteTimeUtc >= olderThan.UtcDateTime || !await index.RemoveUnreferencedAsync(hash, cancellationToken))
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
