using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Workers;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>
/// A launcher of an ordinary user begins again in a user namespace of its own, as the same user: only there may it attach folders, which <see cref="SandboxDoor"/> needs. To the machine nothing else changes.
/// </summary>
internal static unsafe class OwnNamespaces
{
    /// <summary>Set in the environment of the launcher that has begun again.</summary>
    public const string Variable = "DORMOUSE_LAUNCHER_NAMESPACES";

    private static readonly string[] Programs = ["/usr/bin/unshare", "/bin/unshare"];

    /// <summary>True: this launcher is in a user namespace that was made for it, and has powers in it that its children must not have.</summary>
    public static bool IsInside => Environment.GetEnvironmentVariable(Variable) is not null;

    /// <summary>Does not return where it works; returns at once for root, the second time, and where the kernel forbids it.</summary>
    public static void Enter(IReadOnlyList<string> arguments, Spawner spawner)
    {
        if (Libc.EffectiveUser() == 0 || IsInside || Environment.ProcessPath is not { } self || Array.Find(Programs, File.Exists) is not { } unshare)
            return;
        string[] prefix = [unshare, "--user", "--map-current-user", "--keep-caps", "--mount", "--"];
        if (spawner.Run([], [.. prefix, "/bin/sh", "-c", ":"]) != 0)
            return;
        // Run by the runtime's own program, the first argument is ours.
        var program = Environment.GetCommandLineArgs()[0];
        using var command = new NativeStrings([.. prefix, self, .. program.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) ? [program] : Array.Empty<string>(), .. arguments]);
        using var environment = new NativeStrings([.. Variables(), $"{Variable}=1"]);
        _ = Libc.Become(command.Pointer[0], command.Pointer, environment.Pointer);
    }

    private static IEnumerable<string> Variables()
    {
        foreach (System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables())
            yield return $"{entry.Key}={entry.Value}";
    }
}
