using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Launcher.Kernel;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Limits;

/// <summary>
/// Where no cgroup can be written: the data segment is bounded (allocations fail instead of a kill), cpu is not. What a worker leaves behind is found
/// by its session, and by parent: orphans become children of the launcher.
/// </summary>
internal sealed class ResourceLimiter : WorkerLimiter
{
    public override string Word => "none";

    public override bool LimitsProcess => true;

    public override ImmutableArray<string> Create(string name) => [];

    public override unsafe LimitFailure? Apply(string name, int process, WorkerLimits limits, WorkerLimits? before)
    {
        if (process == 0)
            return null;
        var pair = stackalloc ulong[2];
        if (Libc.ProcessLimit(process, Libc.LimitData, null, pair) != 0)
            return null; // Ended already: its exit is told soon.
        // Only the soft limit: lowering the hard one could not be taken back at the assignment. Not the address space: the runtime reserves far more than it uses.
        pair[0] = limits.MemoryBytes > 0 ? Math.Min((ulong)limits.MemoryBytes, pair[1]) : pair[1];
        return Libc.ProcessLimit(process, Libc.LimitData, pair, null) == 0
            ? null
            : new("the memory limit could not be set", OutOfMemory: false);
    }

    public override WorkerUsage Usage(string name) => default;

    public override bool TryClear(string name, int session, IReadOnlySet<int> livingSessions)
    {
        var left = false;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder.AsSpan()), CultureInfo.InvariantCulture, out var process) || Stat(process) is not { } stat)
                continue;
            var orphan = stat.Parent == Environment.ProcessId && !livingSessions.Contains(stat.Session);
            if (stat.Session != session && !orphan)
                continue;
            left = true;
            _ = Libc.Kill(process, Libc.SignalKill);
        }

        return !left;
    }

    public override bool TrySweep() => true;

    /// <summary>Parent and session of a process; null when it is gone.</summary>
    private static (int Parent, int Session)? Stat(int process)
    {
        try
        {
            // 12 (name that may hold spaces and parentheses) S parent group session …
            var text = File.ReadAllText($"/proc/{process}/stat");
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return (int.Parse(fields[1], CultureInfo.InvariantCulture), int.Parse(fields[3], CultureInfo.InvariantCulture));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
