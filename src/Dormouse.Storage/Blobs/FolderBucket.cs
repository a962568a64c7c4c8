using System.Runtime.CompilerServices;
using Dormouse.Core.Packages;
using Dormouse.Storage.Posix;

namespace Dormouse.Storage.Blobs;

/// <summary>A folder that several servers reach, such as one of a network file system. A file is written under another name and renamed.</summary>
/// <param name="folder">Absolute; made when missing.</param>
internal sealed class FolderBucket(string folder) : IBlobBucket
{
    private const string HalfWritten = ".part";

    public string Name => folder;

    public Task<BucketFile?> FindAsync(BlobHash hash, CancellationToken cancellationToken) => AskAsync(() =>
    {
        var file = new FileInfo(PathOf(hash));
        return Task.FromResult(file.Exists ? new BucketFile(hash, file.Length, file.LastWriteTimeUtc) : null);
    });

    public Task PutAsync(BlobHash hash, string path, CancellationToken cancellationToken) => AskAsync(async () =>
    {
        var target = PathOf(hash);
        var half = $"{target}.{Path.GetRandomFileName()}{HalfWritten}";
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        try
        {
            await using (var from = File.OpenRead(path))
            await using (var to = new FileStream(half, FileMode.CreateNew))
            {
                await from.CopyToAsync(to, cancellationToken);
                to.Flush(flushToDisk: true);
            }

            File.Move(half, target, overwrite: true);
            Libc.FlushFolder(Path.GetDirectoryName(target)!);
            return true;
        }
        finally
        {
            File.Delete(half);
        }
    });

    public Task<bool> GetAsync(BlobHash hash, Stream target, CancellationToken cancellationToken) => AskAsync(async () =>
    {
        if (!File.Exists(PathOf(hash)))
        {
            return false;
        }

        await using var from = File.OpenRead(PathOf(hash));
        await from.CopyToAsync(target, cancellationToken);
        return true;
    });

    public Task RemoveAsync(BlobHash hash, CancellationToken cancellationToken) => AskAsync(() =>
    {
        File.Delete(PathOf(hash));
        return Task.FromResult(true);
    });

    public async IAsyncEnumerable<BucketFile> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var files = await AskAsync(() => Task.FromResult(
            Directory.Exists(folder) ? new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Where(f => BlobHash.IsValid(f.Name)).ToList() : []));
        foreach (var file in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return new BucketFile(new BlobHash(file.Name), file.Length, file.LastWriteTimeUtc);
        }
    }

    public Task ProbeAsync(CancellationToken cancellationToken) => AskAsync(async () =>
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, Path.GetRandomFileName() + HalfWritten);
        await File.WriteAllBytesAsync(path, new byte[1], cancellationToken);
        File.Delete(path);
        return true;
    });

    private string PathOf(BlobHash hash) => Path.Combine(folder, hash.Value[..2], hash.Value);

    private async Task<T> AskAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask();
        }
        catch (Exception e) when (e is UnauthorizedAccessException || (e is IOException and not BlobsAwayException))
        {
            throw new BlobsAwayException($"{folder} cannot be used: {e.Message}", e);
        }
    }
}
