using System.Collections.Immutable;
using Dormouse.Launcher.Kernel;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Limits;

/// <summary>cgroup v2: one hierarchy.</summary>
internal sealed class CgroupV2Limiter(string folder) : CgroupLimiter([folder])
{
    public const string Controllers = "+memory +cpu +pids";

    public override string Word => "v2";

    public override LimitFailure? Apply(string name, int process, WorkerLimits limits, WorkerLimits? before)
    {
        var own = $"{folder}/{name}";
        if (before is null)
        {
            // A worker dies whole, and by the kernel, not by slow swapping. Either file may be missing.
            _ = Descriptors.WriteText($"{own}/memory.oom.group", "1");
            _ = Descriptors.WriteText($"{own}/memory.swap.max", "0");
        }

        var error = before?.MemoryBytes == limits.MemoryBytes ? 0 : Descriptors.WriteText($"{own}/memory.max", limits.MemoryBytes > 0 ? Text(limits.MemoryBytes) : "max");
        if (error != 0)
            return new($"the memory limit could not be set ({Descriptors.Words(error)})", error == Libc.Busy);
        if (before?.Cpu != limits.Cpu)
            error = Descriptors.WriteText($"{own}/cpu.max", $"{(CpuQuota(limits.Cpu) is { } quota ? Text(quota) : "max")} {Text(PeriodMicroseconds)}");
        if (error == 0 && before?.ProcessesMax != limits.ProcessesMax)
            error = Descriptors.WriteText($"{own}/pids.max", limits.ProcessesMax > 0 ? Text(limits.ProcessesMax) : "max");
        return error == 0 ? null : new($"a cpu or process limit could not be set ({Descriptors.Words(error)})", OutOfMemory: false);
    }

    public override (Freezer? Freezer, string Reason) FindFreezer() => (Freezer.V2(folder), "");

    /// <summary>It may use swap for what is pushed out only: afterwards no more goes there, and what is there comes back as it is used.</summary>
    public override void PushOut(string name)
    {
        var own = $"{folder}/{name}";
        _ = Descriptors.WriteText($"{own}/memory.swap.max", "max");
        _ = Descriptors.WriteText($"{own}/memory.reclaim", Text(ReadNumber($"{own}/memory.current")));
        _ = Descriptors.WriteText($"{own}/memory.swap.max", "0");
    }

    public override ImmutableArray<(string Here, string Inside)> Views(string name) => [($"{folder}/{name}", "/sys/fs/cgroup")];

    public override WorkerUsage Usage(string name) => new(
        ReadNumber($"{folder}/{name}/memory.peak"),
        ReadKey($"{folder}/{name}/cpu.stat", "usage_usec"),
        ReadKey($"{folder}/{name}/memory.events", "oom_kill"),
        ReadKey($"{folder}/{name}/pids.events", "max"));

    protected override void Enable(string folder) => _ = Descriptors.WriteText($"{folder}/cgroup.subtree_control", Controllers);
}
