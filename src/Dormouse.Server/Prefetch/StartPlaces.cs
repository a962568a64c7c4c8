using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Server.Environments;

namespace Dormouse.Server.Prefetch;

/// <summary>Where the files lie that a start of a revision reads, and where is written down which they were.</summary>
internal sealed class StartPlaces(IBlobStore blobs, EnvironmentFolders environments)
{
    /// <summary>Where distributions of Linux have the packages of their interpreters. The interpreter's own library is in use as long as any worker waits.</summary>
    private static readonly string[] SystemRoots = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];

    private readonly Lazy<string[]> _system = new(FindSystem);

    /// <summary>The record of a package lies beside its folder, one for each environment, and is swept with it.</summary>
    public static string RecordOf(Revision revision, string packageFolder) =>
        $"{packageFolder}.start-{revision.Spec.PythonEnvironment?.Value ?? revision.Spec.Runtime}.json";

    /// <summary>Folders whose files a start may open.</summary>
    public IEnumerable<string> Folders(Revision revision, string packageFolder) =>
        [packageFolder, .. EnvironmentOf(revision) is { } folder ? (string[])[folder] : [], .. SeesSystem(revision) ? _system.Value : []];

    /// <summary>What a path means to another server, or after the environment was built again; null = it lies in none of the places.</summary>
    public (FilePlace Place, string Path)? Name(Revision revision, string packageFolder, string path)
    {
        if (Below(packageFolder, path) is { } inPackage)
        {
            return (FilePlace.Package, inPackage);
        }

        if (EnvironmentOf(revision) is { } folder && Below(folder, path) is { } inEnvironment)
        {
            return (FilePlace.Environment, inEnvironment);
        }

        var name = Path.GetFileName(path);
        return BlobHash.IsValid(name) && blobs.Materialise(new BlobHash(name)) == path ? (FilePlace.Blob, name)
            : SeesSystem(revision) && _system.Value.Any(root => Below(root, path) is not null) ? (FilePlace.System, path[1..])
            : null;
    }

    /// <summary>Where a recorded file lies now; null = there is no such place.</summary>
    public string? Find(Revision revision, string packageFolder, UsedFile file) => file.Place switch
    {
        FilePlace.Package => Path.Combine(packageFolder, file.Path),
        FilePlace.Environment => EnvironmentOf(revision) is { } folder ? Path.Combine(folder, file.Path) : null,
        FilePlace.Blob => BlobHash.IsValid(file.Path) ? blobs.Materialise(new BlobHash(file.Path)) : null,
        _ => SeesSystem(revision) && _system.Value.Any(root => Below(root, "/" + file.Path) is not null) ? "/" + file.Path : null,
    };

    public Task<string> PackageFolderAsync(Revision revision, CancellationToken cancellationToken) => blobs.MaterialiseAsync(revision.Package, cancellationToken);

    private string? EnvironmentOf(Revision revision) => revision.Spec.PythonEnvironment is { } id ? environments.PathOf(id) : null;

    /// <summary>Without an environment of its own it runs on the system's packages.</summary>
    private static bool SeesSystem(Revision revision) =>
        revision.Spec.Kind == RuntimeKind.Python && (revision.Spec.PythonEnvironment is null || revision.Spec.SystemPackages is true);

    private static string? Below(string folder, string path) =>
        path.Length > folder.Length + 1 && path.StartsWith(folder, StringComparison.Ordinal) && path[folder.Length] == '/' ? path[(folder.Length + 1)..] : null;

    private static string[] FindSystem() =>
    [
        .. SystemRoots.Where(Directory.Exists)
            .SelectMany(root => Directory.EnumerateDirectories(root, "python3*"))
            .SelectMany(folder => (string[])[Path.Combine(folder, "dist-packages"), Path.Combine(folder, "site-packages")])
            .Where(Directory.Exists),
    ];
}
