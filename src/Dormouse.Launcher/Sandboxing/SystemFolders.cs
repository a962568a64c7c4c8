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

    /// <summary>Arguments for bwrap that show it, as it is on this machine now.</summary>
    public static ImmutableArray<string> Arguments()
    {
        var arguments = ImmutableArray.CreateBuilder<string>();
        foreach (var folder in Programs)
        {
            if (new DirectoryInfo(folder) is not { Exists: true } found)
                continue;
            if (found.LinkTarget is { } target)
                arguments.AddRange("--symlink", target, folder);
            else
                arguments.AddRange("--ro-bind", folder, folder);
        }

        var made = new HashSet<string>();
        foreach (var path in (IEnumerable<string>)[.. Settings, .. Devices])
        {
            if (!Path.Exists(path))
                continue;
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
