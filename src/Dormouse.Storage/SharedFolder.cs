using Dormouse.Core.Packages;
using Dormouse.Storage.Blobs;

namespace Dormouse.Storage;

/// <summary>A folder that several servers reach, as the place of their files.</summary>
public static class SharedFolder
{
    /// <param name="path">Made when missing.</param>
    public static IBlobBucket Open(string path) => new FolderBucket(Path.GetFullPath(path));
}
