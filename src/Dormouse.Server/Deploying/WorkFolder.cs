using Dormouse.Core;

namespace Dormouse.Server.Deploying;

/// <summary>Files in the making, on the data folder's own disk so that they can be moved into the store. What a crash left is removed at start.</summary>
internal sealed class WorkFolder(string path, IIdSource ids)
{
    public void Clean()
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }

        Directory.CreateDirectory(path);
    }

    /// <summary>A path that nothing has yet.</summary>
    public string NewPath(string extension) => Path.Combine(path, ids.NewId().ToString("N") + extension);
}
