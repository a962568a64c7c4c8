using System.Collections.Immutable;

namespace Dormouse.Launcher.Limits;

/// <summary>Where this process's own cgroups are mounted, as <c>/proc/self/mountinfo</c> and <c>/proc/self/cgroup</c> say.</summary>
/// <param name="Controllers">cgroup v1: own folder by controller name.</param>
/// <param name="Unified">cgroup v2: own folder, or null when it is not mounted.</param>
internal sealed record CgroupFolders(ImmutableDictionary<string, string> Controllers, string? Unified)
{
    public static CgroupFolders OfThisProcess() =>
        Find(File.ReadAllText("/proc/self/mountinfo"), File.ReadAllText("/proc/self/cgroup"));

    /// <summary>Joins mounts with paths. A mount that shows only a part of the hierarchy (a container's) is entered at that part.</summary>
    public static CgroupFolders Find(string mountInfo, string cgroups)
    {
        var own = ParseOwnPaths(cgroups);
        var controllers = ImmutableDictionary.CreateBuilder<string, string>();
        string? unified = null;
        foreach (var line in mountInfo.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            // 36 35 98:0 /root /mount/point rw,relatime [optional fields] - cgroup cgroup rw,memory
            var halves = line.Split(" - ", 2);
            var left = halves[0].Split(' ');
            var right = halves.Length == 2 ? halves[1].Split(' ') : [];
            if (left.Length < 5 || right.Length < 3)
                continue;
            if (right[0] == "cgroup2" && own.TryGetValue("", out var path))
            {
                unified ??= Join(left[3], left[4], path);
            }
            else if (right[0] == "cgroup")
            {
                foreach (var option in right[2].Split(','))
                {
                    if (own.TryGetValue(option, out path))
                        controllers.TryAdd(option, Join(left[3], left[4], path));
                }
            }
        }

        return new(controllers.ToImmutable(), unified);
    }

    private static Dictionary<string, string> ParseOwnPaths(string cgroups)
    {
        var own = new Dictionary<string, string>();
        foreach (var line in cgroups.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            // 4:memory:/user.slice  or  0::/user.slice
            var parts = line.Split(':', 3);
            if (parts.Length != 3)
                continue;
            foreach (var controller in parts[1].Split(','))
                own[controller] = parts[2];
        }

        return own;
    }

    private static string Join(string root, string mountPoint, string path)
    {
        var below = root == "/" ? path : path == root ? "/" : path.StartsWith(root + "/", StringComparison.Ordinal) ? path[root.Length..] : path;
        return (Unescape(mountPoint) + below).TrimEnd('/');
    }

    private static string Unescape(string mountPoint) => mountPoint.Replace("\\040", " ", StringComparison.Ordinal);
}
