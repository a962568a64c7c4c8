using System.Collections.Immutable;
using System.Text;
using Dormouse.Worker.Engine;

namespace Dormouse.Worker.Running;

/// <summary>The package's folder, open as a descriptor; its small text files are read through here.</summary>
internal sealed class PackageFolder(int descriptor)
{
    private const int TextBytesMax = 4 * 1024 * 1024;

    internal int Descriptor { get; } = descriptor;

    /// <summary>Lines of a text file without the empty ones at its end; null when the package has no such file.</summary>
    internal ImmutableArray<string>? ReadLines(string relative)
    {
        if (relative.Length == 0 || Path.IsPathRooted(relative) || relative.Split('/').Contains(".."))
        {
            throw new ModelRefusedException($"The labels file '{relative}' is not inside the package.");
        }

        var path = SessionLoader.PathOf(Descriptor, relative);
        if (!File.Exists(path))
        {
            return null;
        }

        if (new FileInfo(path).Length > TextBytesMax)
        {
            throw new ModelRefusedException($"The labels file '{relative}' has more than {TextBytesMax} bytes.");
        }

        return [.. File.ReadAllText(path, Encoding.UTF8).TrimEnd('\r', '\n').Split('\n').Select(line => line.TrimEnd('\r'))];
    }
}
