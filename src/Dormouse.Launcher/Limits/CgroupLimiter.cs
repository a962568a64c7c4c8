using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Dormouse.Launcher.Kernel;

namespace Dormouse.Launcher.Limits;

/// <summary>What both cgroup versions share: a base folder of ours in each hierarchy, and in it one folder a worker.</summary>
/// <param name="bases">Our folder in each hierarchy in use.</param>
internal abstract class CgroupLimiter(ImmutableArray<string> bases) : WorkerLimiter
{
    protected const int PeriodMicroseconds = 100_000;
    private const uint FolderMode = 0x1ED; // rwxr-xr-x

    public override ImmutableArray<string> Create(string name)
    {
        foreach (var folder in bases)
        {
            // An earlier launcher that is just ending may remove the base folder between two calls.
            for (var attempt = 0; Libc.MakeFolder($"{folder}/{name}", FolderMode) != 0; attempt++)
            {
                var error = Marshal.GetLastPInvokeError();
                if (error != Libc.NoEntry || attempt == 2)
                    throw new IOException($"a cgroup could not be made ({Descriptors.Words(error)})");
                _ = Libc.MakeFolder(folder, FolderMode);
                Enable(folder);
            }
        }

        return [.. bases.Select(folder => $"{folder}/{name}/cgroup.procs")];
    }

    public override IEnumerable<int> Processes(string name) =>
        ReadLines($"{bases[0]}/{name}/cgroup.procs").Select(line => int.TryParse(line, CultureInfo.InvariantCulture, out var process) ? process : 0).Where(process => process > 0);

    public override bool TryClear(string name, int session, IReadOnlySet<int> livingSessions) =>
        bases.Aggregate(true, (cleared, folder) => TryRemove($"{folder}/{name}") && cleared);

    public override bool TrySweep()
    {
        var clear = true;
        foreach (var worker in bases.SelectMany(Below))
            clear &= TryRemove(worker);

        return clear;
    }

    /// <summary>Removes the base folders when the launcher ends; one that a newer launcher uses stays.</summary>
    public void RemoveBases()
    {
        foreach (var folder in bases)
            _ = Libc.RemoveFolder(folder);
    }

    /// <summary>Makes a base folder usable after it was created anew.</summary>
    protected virtual void Enable(string folder)
    {
    }

    /// <summary>Quota of a period; null for 0, which is no limit.</summary>
    protected static long? CpuQuota(double cpu) =>
        cpu <= 0 ? null : Math.Max(1000, (long)(cpu * PeriodMicroseconds));

    /// <summary>The number behind <paramref name="key"/> in a "key value" file; 0 when there is none.</summary>
    protected static long ReadKey(string path, string key)
    {
        foreach (var line in ReadLines(path))
        {
            if (line.StartsWith(key, StringComparison.Ordinal) && line.Length > key.Length && line[key.Length] == ' '
                && long.TryParse(line.AsSpan(key.Length + 1), CultureInfo.InvariantCulture, out var value))
                return value;
        }

        return 0;
    }

    protected static long ReadNumber(string path) =>
        ReadLines(path) is [var line, ..] && long.TryParse(line, CultureInfo.InvariantCulture, out var value) ? value : 0;

    protected static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static bool TryRemove(string folder)
    {
        if (Libc.RemoveFolder(folder) == 0 || Marshal.GetLastPInvokeError() == Libc.NoEntry)
            return true;
        Freezer.Release(folder);
        if (Descriptors.WriteText($"{folder}/cgroup.kill", "1") != 0)
        {
            foreach (var line in ReadLines($"{folder}/cgroup.procs"))
            {
                if (int.TryParse(line, CultureInfo.InvariantCulture, out var process) && process > 0)
                    _ = Libc.Kill(process, Libc.SignalKill);
            }
        }

        // A privileged worker may have made groups of its own below.
        foreach (var below in Below(folder))
            TryRemove(below);

        return Libc.RemoveFolder(folder) == 0 || Marshal.GetLastPInvokeError() == Libc.NoEntry;
    }

    private static string[] Below(string folder)
    {
        try
        {
            return Directory.GetDirectories(folder);
        }
        catch (DirectoryNotFoundException)
        {
            return []; // Removed meanwhile, which is what was wanted.
        }
    }

    private static string[] ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (IOException)
        {
            // The group is gone, or this kernel has no such file: there is nothing to read.
            return [];
        }
    }
}
