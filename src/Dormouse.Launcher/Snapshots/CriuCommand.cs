using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Launcher.Kernel;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Snapshots;

/// <summary>
/// The command lines of CRIU. It runs in all namespaces of the sandbox that the process is in: what it has in common with a process it neither writes down nor makes anew, so a snapshot holds one process and no sandbox.
/// The folder of the snapshot and CRIU itself are not to be seen there; it has them as descriptors.
/// </summary>
internal static class CriuCommand
{
    // What the program inherits, from descriptor 4 on.
    public const int System = 4, Folder = 5, FirstNamespace = 6;

    public const string LogFile = "criu.log";

    /// <summary>The sandbox's namespaces: name under <c>/proc/N/ns</c>, and option of nsenter.</summary>
    public static readonly ImmutableArray<(string Name, string Option)> Namespaces =
        [("pid", "--pid"), ("mnt", "--mount"), ("net", "--net"), ("ipc", "--ipc"), ("uts", "--uts"), ("cgroup", "--cgroup")];

    /// <summary>Processes that are to be written down get numbers from here on, so that in a fresh sandbox theirs are free.</summary>
    public const int FirstProcess = 5_000;

    /// <summary>What CRIU needs that is not the administrator's user, to write down a process of another user. The resource limits of one may be read by that user, and by nobody else where the machine has no CAP_SYS_RESOURCE to give: so it runs as that user.</summary>
    private static readonly ImmutableArray<(string Name, int Bit)> Powers =
    [
        ("chown", 0), ("dac_override", 1), ("dac_read_search", 2), ("fowner", 3), ("fsetid", 4), ("kill", 5), ("setgid", 6), ("setuid", 7), ("setpcap", 8), ("net_admin", 12), ("sys_chroot", 18), ("sys_ptrace", 19),
        ("sys_admin", 21), ("checkpoint_restore", 40),
    ];

    private static readonly ImmutableArray<string> EnterPaths = ["/usr/bin/nsenter", "/bin/nsenter"];

    /// <summary>Why this launcher cannot run CRIU on a sandbox, a sentence; null = nothing is known against it.</summary>
    public static string? Obstacle()
    {
        if (Libc.EffectiveUser() != 0)
            return "CRIU needs a server that root runs.";
        if (Enter is null)
            return "The program nsenter is missing; it is in the package util-linux.";
        var has = OwnPowers();
        return Powers.Where(power => (has >> power.Bit & 1) == 0).Select(power => "cap_" + power.Name).ToArray() is { Length: > 0 } missing
            ? $"The server does not have {string.Join(", ", missing)}, which CRIU needs."
            : null;
    }

    /// <summary>Has the next process of the sandbox numbered from <see cref="FirstProcess"/> on.</summary>
    public static ImmutableArray<string> Number() =>
        [Enter!, $"--pid=/proc/self/fd/{FirstNamespace}", "--", "/bin/sh", "-c", $"echo {FirstProcess - 1} > /proc/sys/kernel/ns_last_pid"]; // Not null: Obstacle was asked.

    /// <param name="user">As whom the process runs.</param>
    public static ImmutableArray<string> Dump(CriuProgram criu, string setPrivileges, int process, uint user)
    {
        var powers = string.Join(',', Powers.Select(power => "+" + power.Name));
        var name = user.ToString(CultureInfo.InvariantCulture);
        return
        [
            .. EnterAll(), setPrivileges, "--reuid", name, "--regid", name, "--clear-groups", "--inh-caps", powers, "--ambient-caps", powers, "--",
            .. Program(criu), "dump", "--unprivileged", "--tree", process.ToString(CultureInfo.InvariantCulture), .. Common(),
        ];
    }

    public static ImmutableArray<string> Restore(CriuProgram criu) => [.. EnterAll(), .. Program(criu), "restore", "--restore-detached", .. Common()];

    private static string? Enter => EnterPaths.FirstOrDefault(File.Exists);

    private static ImmutableArray<string> EnterAll() =>
        [Enter!, .. Namespaces.Select((space, index) => $"{space.Option}=/proc/self/fd/{FirstNamespace + index}"), "--"]; // Not null: as above.

    private static ImmutableArray<string> Common() =>
        ["--images-dir", $"/proc/self/fd/{Folder}", "--work-dir", $"/proc/self/fd/{Folder}", "--log-file", LogFile, "-v1", "--manage-cgroups=ignore"];

    /// <summary>With a loader of its own, which does not look for libraries anywhere else.</summary>
    private static ImmutableArray<string> Program(CriuProgram criu)
    {
        if (criu.Root is not { } root)
            return [criu.Path];
        var (loader, libraries) = LoaderOf(root);
        return [Inside(loader), "--library-path", string.Join(':', libraries.Select(Inside)), Inside(Path.GetRelativePath(root, criu.Path))];
    }

    private static string Inside(string path) => $"/proc/self/fd/{System}/{path}";

    private static (string Loader, ImmutableArray<string> Libraries) LoaderOf(string root)
    {
        ImmutableArray<string> loaders = ["usr/lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"];
        ImmutableArray<string> folders = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib"];
        return (
            loaders.FirstOrDefault(loader => File.Exists(Path.Combine(root, loader))) ?? loaders[0],
            [.. folders.Where(folder => Directory.Exists(Path.Combine(root, folder)))]);
    }

    private static ulong OwnPowers()
    {
        const string Key = "CapEff:";
        var line = File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal));
        return line is null ? 0 : ulong.Parse(line.AsSpan(Key.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
