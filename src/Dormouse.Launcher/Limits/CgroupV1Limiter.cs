using System.Collections.Immutable;
using Dormouse.Launcher.Kernel;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Limits;

/// <summary>cgroup v1: a hierarchy for each controller.</summary>
/// <param name="controllers">Our base folder by controller ("memory" always; "cpu", "cpuacct", "pids" where they work).</param>
/// <param name="freezer">Our base folder of the freezer, or null and why there is none.</param>
internal sealed class CgroupV1Limiter(ImmutableDictionary<string, string> controllers, (string? Folder, string Reason) freezer)
    : CgroupLimiter([.. controllers.Values.Append(freezer.Folder).OfType<string>().Distinct()])
{
    public const string FreezerController = "freezer";

    public static readonly ImmutableArray<string> Wanted = ["memory", "cpu", "cpuacct", "pids"];

    public override string Word => "v1";

    public override LimitFailure? Apply(string name, int process, WorkerLimits limits, WorkerLimits? before)
    {
        if (before?.MemoryBytes != limits.MemoryBytes && LimitMemory(name, limits) is { } failure)
            return failure;
        var error = 0;
        if (controllers.TryGetValue("cpu", out var cpu))
        {
            if (before is null)
                _ = Descriptors.WriteText($"{cpu}/{name}/cpu.cfs_period_us", Text(PeriodMicroseconds));
            if (before?.Cpu != limits.Cpu)
                error = Descriptors.WriteText($"{cpu}/{name}/cpu.cfs_quota_us", Text(CpuQuota(limits.Cpu) ?? -1));
        }

        if (error == 0 && before?.ProcessesMax != limits.ProcessesMax && controllers.TryGetValue("pids", out var pids))
            error = Descriptors.WriteText($"{pids}/{name}/pids.max", limits.ProcessesMax > 0 ? Text(limits.ProcessesMax) : "max");
        return error == 0 ? null : new($"a cpu or process limit could not be set ({Descriptors.Words(error)})", OutOfMemory: false);
    }

    private LimitFailure? LimitMemory(string name, WorkerLimits limits)
    {
        var memory = $"{controllers["memory"]}/{name}/memory";
        var bytes = limits.MemoryBytes > 0 ? Text(limits.MemoryBytes) : "-1";
        // The bound on memory and swap together may never be below the bound on memory; it does not exist without swap accounting.
        _ = Descriptors.WriteText($"{memory}.memsw.limit_in_bytes", "-1");
        var error = Descriptors.WriteText($"{memory}.limit_in_bytes", bytes);
        _ = Descriptors.WriteText($"{memory}.memsw.limit_in_bytes", bytes);
        return error == 0 ? null : new($"the memory limit could not be set ({Descriptors.Words(error)})", error == Libc.Busy);
    }

    public override (Freezer? Freezer, string Reason) FindFreezer() => (freezer.Folder is { } folder ? Freezer.V1(folder) : null, freezer.Reason);

    public override void PushOut(string name) => _ = Descriptors.WriteText($"{controllers["memory"]}/{name}/memory.force_empty", "0");

    public override ImmutableArray<(string Here, string Inside)> Views(string name) => [.. controllers.Select(pair => ($"{pair.Value}/{name}", $"/sys/fs/cgroup/{pair.Key}"))];

    public override WorkerUsage Usage(string name)
    {
        var memory = $"{controllers["memory"]}/{name}/memory";
        return new(
            ReadNumber($"{memory}.max_usage_in_bytes"),
            controllers.TryGetValue("cpuacct", out var cpu) ? ReadNumber($"{cpu}/{name}/cpuacct.usage") / 1000 : 0,
            ReadKey($"{memory}.oom_control", "oom_kill"),
            controllers.TryGetValue("pids", out var pids) ? ReadKey($"{pids}/{name}/pids.events", "max") : 0);
    }
}
