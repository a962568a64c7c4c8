using Dormouse.Core.Packages;
using Dormouse.Storage.Posix;

namespace Dormouse.Storage.Blobs;

/// <summary>
/// Folders in which a package's files have their own names: hard links, so they cost no space, and a blob that is swept away stays readable through a
/// folder in use. A folder is put together elsewhere and renamed, so it is whole or absent. It can be made again at any time, so it is not flushed.
/// </summary>
/// <param name="missing">What to do about a file that is not here.</param>
internal sealed class PackageFolders(BlobFolders folders, string missing, TimeProvider time)
{
    private readonly KeyedGate<string> _gate = new();

    /// <exception cref="FileNotFoundException">A blob of the package is not here.</exception>
    /// <exception cref="ArgumentException">A path or hash cannot be one.</exception>
    /// <exception cref="StorageFullException">There is no room for the links.</exception>
    public async Task<string> MaterialiseAsync(Package package, CancellationToken cancellationToken)
    {
        foreach (var file in package.Files)
        {
            if (PackageRules.PathRefusal(file.Path) is { } refusal)
            {
                throw new ArgumentException(refusal, nameof(package));
            }
        }

        var name = PackageName.Of(package.Files);
        using var turn = await _gate.EnterAsync(name, cancellationToken);
        if (!Directory.Exists(folders.Package(name)))
        {
            await PoolThread.Go();
        }

        return Materialise(package, name);
    }

    /// <summary>Removes folders of packages not in <paramref name="names"/> that were not asked for since <paramref name="olderThan"/>, what others have written beside them, and what a crash left half made.</summary>
    public async Task SweepAsync(IReadOnlySet<string> names, DateTimeOffset olderThan, CancellationToken cancellationToken)
    {
        var half = new DirectoryInfo(folders.Building).EnumerateDirectories();
        var unused = new DirectoryInfo(folders.Packages).EnumerateDirectories().Where(d => BlobHash.IsValid(d.Name) && !names.Contains(d.Name));
        foreach (var folder in half.Concat(unused).ToList())
        {
            using var turn = await _gate.EnterAsync(folder.Name, cancellationToken);
            folder.Refresh();
            if (folder.Exists && folder.LastWriteTimeUtc < olderThan.UtcDateTime)
            {
                folder.Delete(recursive: true);
            }
        }

        SweepBeside(names, olderThan);
    }

    /// <summary>Removes one, whatever its age. It is made again when it is asked for.</summary>
    public async Task RemoveAsync(string name, CancellationToken cancellationToken)
    {
        using var turn = await _gate.EnterAsync(name, cancellationToken);
        if (Directory.Exists(folders.Package(name)))
        {
            Directory.Delete(folders.Package(name), recursive: true);
        }
    }

    /// <summary>What is written beside a package's folder has its name and a suffix of its own, and goes when that folder is gone and no revision has the package.</summary>
    private void SweepBeside(IReadOnlySet<string> names, DateTimeOffset olderThan)
    {
        foreach (var file in new DirectoryInfo(folders.Packages).EnumerateFiles())
        {
            var name = file.Name.Split('.', 2)[0];
            if (BlobHash.IsValid(name) && !names.Contains(name) && !Directory.Exists(folders.Package(name)) && file.LastWriteTimeUtc < olderThan.UtcDateTime)
            {
                file.Delete();
            }
        }
    }

    private string Materialise(Package package, string name)
    {
        var target = folders.Package(name);
        if (Directory.Exists(target) && !BlobFolders.IsReadable(target))
        {
            // An earlier version put it together for its own user alone. What is open of it stays open.
            Directory.Delete(target, recursive: true);
        }

        if (!Directory.Exists(target))
        {
            try
            {
                Build(package, name, target);
            }
            catch (IOException e) when (Libc.IsNoSpace(e))
            {
                throw new StorageFullException($"The disk has no room for the folder of a package of {package.Files.Length} files.", e);
            }
        }

        Directory.SetLastWriteTimeUtc(target, time.GetUtcNow().UtcDateTime);
        return target;
    }

    private void Build(Package package, string name, string target)
    {
        var half = Path.Combine(folders.Building, name);
        if (Directory.Exists(half))
        {
            Directory.Delete(half, recursive: true);
        }

        DataFolder.MakeFolder(half);
        foreach (var file in package.Files)
        {
            var blob = folders.Blob(file.Hash);
            if (!File.Exists(blob))
            {
                throw new FileNotFoundException($"The content of '{file.Path}' ({file.Hash}) is not in the data folder of this server. {missing}", file.Path);
            }

            var path = Path.Combine(half, file.Path);
            DataFolder.MakeFolder(Path.GetDirectoryName(path)!);
            if (!Libc.TryLink(blob, path))
            {
                // A file system without links, or one that has too many of this file: a copy serves as well.
                File.Copy(blob, path);
            }

            // A blob that an earlier version stored is its owner's alone.
            File.SetUnixFileMode(path, BlobFolders.ReadableFile);
        }

        BlobFolders.MakeReadable(half);
        Directory.Move(half, target);
    }
}
