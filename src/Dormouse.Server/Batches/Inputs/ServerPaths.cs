using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>Which paths of this machine a job may read: those that really lie below a folder that the operator named.</summary>
internal sealed class ServerPaths(BatchesSettings settings)
{
    /// <summary>The path with its links followed; null when it may not be read, and why.</summary>
    public string? Resolve(string path, out string refusal)
    {
        refusal = "";
        var allowed = settings.Folders.IsEmpty ? "none: the operator names folders in the setting batches.folders" : string.Join(", ", settings.Folders) + " (setting batches.folders)";
        if (!Path.IsPathFullyQualified(path))
        {
            refusal = $"'path' is '{ShownText.Of(path)}'; allowed is an absolute path below {allowed}.";
            return null;
        }

        // Nothing is asked of the disk for a path that is not even written as one that is allowed.
        var written = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (IsBelow(written, settings.Folders) && Real(written) is { } real && IsBelow(real, [.. settings.Folders.Select(f => Real(f) ?? f)]))
        {
            return real;
        }

        refusal = $"'path' is '{ShownText.Of(path)}'; allowed is what is there and below {allowed}.";
        return null;
    }

    private static bool IsBelow(string path, ImmutableArray<string> folders) => folders.Any(f => path == f || path.StartsWith(f + Path.DirectorySeparatorChar, StringComparison.Ordinal));

    /// <summary>Null when there is nothing, or links lead in a circle.</summary>
    private static string? Real(string path)
    {
        var real = "/";
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            real = Path.Combine(real, part);
            try
            {
                FileSystemInfo entry = Directory.Exists(real) ? new DirectoryInfo(real) : new FileInfo(real);
                if (!entry.Exists)
                {
                    return null;
                }

                if (entry.LinkTarget is not null)
                {
                    // What the link leads to may have links on its way, too.
                    real = entry.ResolveLinkTarget(returnFinalTarget: true) is { } target && target.FullName != real ? Real(target.FullName) ?? "" : "";
                    if (real.Length == 0)
                    {
                        return null;
                    }
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }

        return real;
    }
}
