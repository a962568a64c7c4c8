using System.Buffers;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;

namespace Dormouse.Storage.Blobs;

/// <summary>Where files lie. Every name that becomes part of a path is checked here, whatever was checked before.</summary>
internal sealed class BlobFolders(DataFolder folder)
{
    /// <summary>Of a blob and of a package's files: instances may be other users than the server, and the folders above these let nobody else in.</summary>
    public const UnixFileMode ReadableFile = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private const UnixFileMode ReadableFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private static readonly SearchValues<char> TenantCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    public string Blobs => folder.BlobsPath;

    public string Uploads => folder.UploadsPath;

    public string Packages => folder.PackagesPath;

    /// <summary>Packages that are being put together; a crash may leave some, a sweep removes them.</summary>
    public string Building => Path.Combine(folder.PackagesPath, "building");

    public string Blob(BlobHash hash) => Path.Combine(BlobFolder(hash), hash.Value);

    public string BlobFolder(BlobHash hash) => Path.Combine(folder.BlobsPath, Checked(hash).Value[..2]);

    public string UploadFolder(TenantId tenant) => Path.Combine(folder.UploadsPath, Checked(tenant).Value);

    public string Upload(TenantId tenant, BlobHash hash) => Path.Combine(UploadFolder(tenant), Checked(hash).Value);

    public string Package(string name) => Path.Combine(folder.PackagesPath, name);

    public void Make()
    {
        foreach (var path in (string[])[Blobs, Uploads, Packages, Building])
        {
            DataFolder.MakeFolder(path);
        }
    }

    /// <summary>Lets other users read a folder and what is below it, whatever the process masks.</summary>
    public static void MakeReadable(string path)
    {
        foreach (var below in Directory.EnumerateDirectories(path, "*", SearchOption.AllDirectories).Prepend(path))
        {
            File.SetUnixFileMode(below, ReadableFolder);
        }
    }

    /// <summary>Other users may read it.</summary>
    public static bool IsReadable(string path) => File.GetUnixFileMode(path).HasFlag(UnixFileMode.OtherRead | UnixFileMode.OtherExecute);

    private static BlobHash Checked(BlobHash hash) =>
        BlobHash.IsValid(hash.Value) ? hash : throw new ArgumentException("A hash is 64 lower-case hexadecimal digits.", nameof(hash));

    private static TenantId Checked(TenantId tenant) =>
        tenant.Value is { Length: >= 1 and <= EndpointName.LengthMax } && !tenant.Value.AsSpan().ContainsAnyExcept(TenantCharacters)
            ? tenant
            : throw new ArgumentException($"A tenant's name is 1 to {EndpointName.LengthMax} of a-z, 0-9 and '-'.", nameof(tenant));
}
