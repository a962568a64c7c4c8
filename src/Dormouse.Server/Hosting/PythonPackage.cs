namespace Dormouse.Server.Hosting;

/// <summary>Where our Python package (SDK and runner) lies.</summary>
public static class PythonPackage
{
    private const string Folder = "python";

    /// <summary>
    /// The folder for PYTHONPATH: the one beside the program's own (<c>../python</c>), else that of the checkout that the program was built in; null when there is none.
    /// </summary>
    /// <param name="baseFolder">The program's own folder.</param>
    public static string? Find(string baseFolder)
    {
        for (var folder = new DirectoryInfo(baseFolder); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, Folder);
            if (File.Exists(Path.Combine(path, "dormouse", "__init__.py")))
            {
                return path;
            }
        }

        return null;
    }
}
