namespace Dormouse.Server.Hosting;

/// <summary>Where the programs beside the server are.</summary>
internal static class ProgramPaths
{
    /// <summary>
    /// The set path, else the program in the folder beside the server's own (<c>../worker</c>), else the one of the same build tree; the native executable before the
    /// framework-dependent one.
    /// </summary>
    /// <param name="program">File name of the executable.</param>
    /// <param name="folder">Folder beside the server's.</param>
    /// <param name="project">Folder of a build tree.</param>
    /// <exception cref="ServerStartException">There is none.</exception>
    public static string Find(string? set, string key, string program, string folder, string project, string baseFolder)
    {
        if (set is not null)
        {
            return File.Exists(set)
                ? Path.GetFullPath(set)
                : throw new ServerStartException(ServerStartFailure.Programs, $"{key} is '{set}'; there is no such file.");
        }

        string[] places = [Path.Combine(baseFolder, "..", folder), .. BuildTree(Path.Combine(baseFolder, "..", "..", project))];
        foreach (var name in (string[])[program, program + ".dll"])
        {
            foreach (var place in places)
            {
                var path = Path.GetFullPath(Path.Combine(place, name));
                if (File.Exists(path) && IsWhole(path))
                {
                    return path;
                }
            }
        }

        throw new ServerStartException(
            ServerStartFailure.Programs, $"The program {program} is not beside the server. Run './dormouse' once to build it, or set {key} to its path.");
    }

    /// <summary>A framework-dependent build also has a small native starter; it is the library beside it that says so.</summary>
    private static bool IsWhole(string path) => path.EndsWith(".dll", StringComparison.Ordinal) || !File.Exists(path + ".dll");

    private static IEnumerable<string> BuildTree(string project) =>
        Directory.Exists(project) ? Directory.EnumerateDirectories(project).Order(StringComparer.Ordinal) : [];
}
