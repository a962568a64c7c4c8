using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Dormouse.Drivers.Launching;

/// <summary>Turns the path of one of our programs into a command: an executable is itself, a <c>.dll</c> is started with <c>dotnet</c>.</summary>
internal static class ProgramCommand
{
    private static readonly string[] PassedOn = ["PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "DOTNET_ROOT"];

    public static ImmutableArray<string> For(string path) =>
        path.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) ? [FindDotnet(), path] : [path];

    /// <summary>The environment of a program of ours: what it needs of the server's own, never the server's secrets.</summary>
    public static ImmutableSortedDictionary<string, string> Environment(IEnumerable<KeyValuePair<string, string>> added)
    {
        var entries = Inherited().ToBuilder();
        // The engine's telemetry can only be stopped from outside, before it loads.
        entries["ORT_DISABLE_TELEMETRY"] = "1";
        // Can only be set from outside, too; why, says the worker's Heap.
        entries["GLIBC_TUNABLES"] = "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1";
        // The runtime's diagnostics port is a socket in /tmp that a killed process would leave there.
        entries["DOTNET_EnableDiagnostics"] = "0";
        foreach (var (name, value) in added)
            entries[name] = value;
        return entries.ToImmutable();
    }

    /// <summary>What a program of any kind gets of the server's own environment.</summary>
    public static ImmutableSortedDictionary<string, string> Inherited()
    {
        var entries = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var name in PassedOn)
        {
            if (System.Environment.GetEnvironmentVariable(name) is { Length: > 0 } value)
                entries[name] = value;
        }

        return entries.ToImmutable();
    }

    private static string FindDotnet()
    {
        const string Name = "dotnet";
        if (Path.GetFileName(System.Environment.ProcessPath) == Name)
            return System.Environment.ProcessPath!; // Not null: it has a file name.
        // <root>/shared/Microsoft.NETCore.App/<version>/
        var beside = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../..", Name));
        if (File.Exists(beside))
            return beside;
        var folders = (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return folders.Select(folder => Path.Combine(folder, Name)).FirstOrDefault(File.Exists) ?? "/usr/bin/dotnet";
    }
}
