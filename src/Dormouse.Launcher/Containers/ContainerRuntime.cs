using System.Collections.Immutable;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Limits;

namespace Dormouse.Launcher.Containers;

/// <summary>The program that makes containers.</summary>
/// <param name="Path">crun or runc.</param>
/// <param name="MakesCgroups">It puts containers into cgroups of its own below ours, and cannot be told not to.</param>
internal sealed record ContainerRuntime(string Path, bool MakesCgroups)
{
    private static readonly ImmutableArray<string> Folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"];
    private static readonly ImmutableArray<string> Needed = ["unshare", "umount", "setpriv"];

    /// <summary>The one that is installed: crun before runc, since it is the faster one. Null and why there is none, a clause with what mends it.</summary>
    public static ContainerRuntime? Find(WorkerLimiter limiter, out string? problem)
    {
        problem = null;
        if (Libc.EffectiveUser() != 0)
            problem = "containers are made by root's server only; a sandbox needs no root";
        else if (Array.Find([.. Needed], program => Program(program) is null) is { } missing)
            problem = $"the program {missing} is missing; it is in the packages mount and util-linux";
        if (problem is not null)
            return null;
        if (Program("crun") is { } crun)
            return new(crun, MakesCgroups: false);
        if (Program("runc") is not { } runc)
            problem = "neither crun nor runc is installed; 'apt-get install crun' installs one";
        else if (limiter.Word == "v2")
            problem = "runc is used with version 1 of cgroups only, and this machine has version 2; 'apt-get install crun' installs what works with both";
        else
            return new(runc, MakesCgroups: true);
        return null;
    }

    /// <summary>Path of a program, or null.</summary>
    public static string? Program(string name) => Folders.Select(folder => System.IO.Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>Where version 2 of cgroups is mounted beside version 1; null = nowhere. crun works with one of the two, and not with both.</summary>
    public static string? SecondCgroups(string mountInfo)
    {
        string? second = null;
        var hasFirst = false;
        foreach (var line in mountInfo.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var halves = line.Split(" - ", 2);
            if (halves.Length < 2)
                continue;
            if (halves[1].StartsWith("cgroup2 ", StringComparison.Ordinal) && halves[0].Split(' ') is { Length: > 4 } words)
                second ??= words[4];
            hasFirst |= halves[1].StartsWith("cgroup ", StringComparison.Ordinal);
        }

        return hasFirst ? second : null;
    }
}
