using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;

namespace Dormouse.Drivers.Templates;

/// <summary>The smallest Python code there is, in a folder of its own, for trials of what this machine can do with templates.</summary>
internal sealed class TrialPackage : IDisposable
{
    private const string Code = "def handler(input):\n    return input\n";
    private const UnixFileMode EverybodyReads = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode EverybodyLooks = EverybodyReads | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
    private static int _trials;

    private readonly string _folder;

    private TrialPackage(string folder) => _folder = folder;

    /// <summary>An empty folder for a snapshot.</summary>
    public string Image => Path.Combine(_folder, "image");

    /// <exception cref="IOException">It cannot be made.</exception>
    public static async Task<TrialPackage> MakeAsync(string runFolder, CancellationToken cancellationToken)
    {
        var made = new TrialPackage(Path.Combine(runFolder, $"trial-{Interlocked.Increment(ref _trials)}"));
        try
        {
            Directory.CreateDirectory(made.Image);
            var file = Path.Combine(Make(made.Package), "app.py");
            await File.WriteAllTextAsync(file, Code, cancellationToken);
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(file, EverybodyReads);
            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    /// <summary>The start of an instance of it.</summary>
    /// <param name="isolation">Null = as instances are whose revision says nothing.</param>
    public InstanceStart Start(IsolationLevel? isolation) => new()
    {
        Instance = new(new(new(Guid.Empty), 0), 0),
        Tenant = TenantId.Default,
        Spec = new RevisionSpec { Runtime = RuntimeKind.Python.Name, Isolation = isolation, MemoryMib = 256 },
        Package = new Package([]),
        Folder = Package,
        OptimisedPath = _ => null,
    };

    public void Dispose()
    {
        try
        {
            if (Directory.Exists(_folder))
                Directory.Delete(_folder, recursive: true);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // The folder of the sockets goes with the server.
        }
    }

    private string Package => Path.Combine(_folder, "package");

    private static string Make(string folder) =>
        OperatingSystem.IsWindows() ? Directory.CreateDirectory(folder).FullName : Directory.CreateDirectory(folder, EverybodyLooks).FullName;
}
