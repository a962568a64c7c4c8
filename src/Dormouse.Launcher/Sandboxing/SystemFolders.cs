using System.Collections.Immutable;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>What of this machine's system a sandboxed worker sees, all of it read-only.</summary>
internal static class SystemFolders
{
    /// <summary>Programs and libraries. Where one is a link into another, the sandbox has the same link.</summary>
    private static readonly ImmutableArray<string> Programs = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

    /// <summary>Settings that libraries read: none is secret, and none but these is shown.</summary>
    private static readonly ImmutableArray<string> Settings =
    [
        "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime", "/etc/timezone", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
        "/etc/services", "/etc/protocols", "/etc/mime.types", "/etc/os-release", "/etc/debian_version", "/etc/fonts", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/ca-trust", "/etc/pki/tls/certs",
    ];

    /// <summary>Libraries count the cores here.</summary>
    private static readonly ImmutableArray<string> Devices = ["/sys/devices/system/cpu"];

    /// <summary>Links at the root, as they are on this machine now.</summary>
    public static IEnumerable<(string Path, string Target)> Links() =>
        Programs.Select(path => new DirectoryInfo(path)).Where(found => found is { Exists: true, LinkTarget: not null }).Select(found => (found.FullName, found.LinkTarget!));

    /// <summary>Folders and files that are shown at their own paths, as they are on this machine now.</summary>
    public static IEnumerable<(string Here, string Inside)> Shown() =>
        Programs.Where(path => new DirectoryInfo(path) is { Exists: true, LinkTarget: null }).Concat(Settings).Concat(Devices).Where(Path.Exists).Select(path => (path, path));

    /// <summary>Files that are not shown but made up, each with its text.</summary>
    /// <param name="resolver">Whom to ask for names; null = nobody.</param>
    public static ImmutableArray<(string Path, string Text)> MadeUp(uint user, string? resolver) =>
    [
        ("/etc/passwd", $"root:x:0:0::/:/usr/sbin/nologin\ndormouse:x:{user}:{user}::/tmp:/usr/sbin/nologin\n"),
        ("/etc/group", $"root:x:0:\ndormouse:x:{user}:\n"),
        ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        .. resolver is null ? Array.Empty<(string, string)>() : [("/etc/resolv.conf", $"nameserver {resolver}\n")],
    ];

    /// <summary>Arguments for bwrap that show it, as it is on this machine now.</summary>
    public static ImmutableArray<string> Arguments()
    {
        var arguments = ImmutableArray.CreateBuilder<string>();
        foreach (var (path, target) in Links())
            arguments.AddRange("--symlink", target, path);
        var made = new HashSet<string>();
        foreach (var (path, _) in Shown())
        {
            AddParents(arguments, path, made);
            arguments.AddRange("--ro-bind", path, path);
        }

        return arguments.ToImmutable();
    }

    /// <summary>True: the folder can be seen already.</summary>
    public static bool Show(string path) => Programs.Any(folder => path == folder || path.StartsWith(folder + "/", StringComparison.Ordinal));

    /// <summary>Makes the folders above a path, readable for everybody; without this bwrap makes them for root alone.</summary>
    /// <param name="made">Those that were made already; added to.</param>
    public static void AddParents(ImmutableArray<string>.Builder arguments, string path, HashSet<string> made)
    {
        for (var end = path.IndexOf('/', 1); end > 0; end = path.IndexOf('/', end + 1))
        {
            if (made.Add(path[..end]))
                arguments.AddRange("--dir", path[..end]);
        }
    }
}
