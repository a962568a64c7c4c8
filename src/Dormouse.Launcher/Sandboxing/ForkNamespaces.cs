using System.Globalization;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>Whether the kernel's settings let a fork have a user namespace, without which forks of one revision stay one user. Only a real fork shows that it does.</summary>
internal static class ForkNamespaces
{
    /// <summary>Setting, and whether a value forbids them.</summary>
    private static readonly (string Name, Func<long, bool> Forbids)[] Settings =
    [
        ("user.max_user_namespaces", value => value == 0),
        ("kernel.unprivileged_userns_clone", value => value == 0),
        ("kernel.apparmor_restrict_unprivileged_userns", value => value != 0),
    ];

    /// <summary>A sentence for <c>doctor</c>; null = nothing forbids it.</summary>
    /// <param name="read">Content of a file, or null when there is none.</param>
    public static string? Missing(Func<string, string?> read)
    {
        foreach (var (name, forbids) in Settings)
        {
            if (long.TryParse(read("/proc/sys/" + name.Replace('.', '/')), CultureInfo.InvariantCulture, out var value) && forbids(value))
                return string.Create(CultureInfo.InvariantCulture, $"Instances that are forks of one template share a user and its temporary files: the kernel forbids ordinary users namespaces (sysctl {name} is {value}).");
        }

        return null;
    }
}
