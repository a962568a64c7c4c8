using System.Globalization;
using Dormouse.Core;
using Dormouse.Core.Instances;
using Microsoft.Extensions.Options;

namespace Dormouse.Server.Dispatch;

/// <summary>
/// The machine's arbiter behind its own lock. It is called while an engine's lock is held (that keeps the order of one instance's events),
/// never the other way round; what it wants done is appended to the caller's <see cref="Aftermath"/> and carried out without any lock.
/// </summary>
internal sealed class MachineBudget
{
    private readonly Lock _arbiterLock = new();
    private readonly MachineArbiter _arbiter;
    private readonly ArbiterEffects _effects = new();

    public MachineBudget(IOptions<DispatchOptions> options)
        : this(
            options.Value.MemoryBudgetMib > 0 ? options.Value.MemoryBudgetMib : AvailableMib() * 9 / 10,
            options.Value.StartsAtOnceMax > 0 ? options.Value.StartsAtOnceMax : Environment.ProcessorCount)
    {
    }

    public MachineBudget(long budgetMib, int startsAtOnceMax) => _arbiter = new MachineArbiter(budgetMib, startsAtOnceMax);

    public long BudgetMib => _arbiter.BudgetMib;

    public long UsedMib
    {
        get
        {
            lock (_arbiterLock)
            {
                return _arbiter.UsedMib;
            }
        }
    }

    public void Request(InstanceId instance, int memoryMib, MonotonicTime now, ref Aftermath? aftermath)
    {
        lock (_arbiterLock)
        {
            _arbiter.Request(instance, memoryMib, now, _effects);
            TakeLocked(ref aftermath);
        }
    }

    public void StartEnded(InstanceId instance, MonotonicTime now, ref Aftermath? aftermath)
    {
        lock (_arbiterLock)
        {
            _arbiter.StartEnded(instance, now, _effects);
            TakeLocked(ref aftermath);
        }
    }

    public void Released(InstanceId instance, MonotonicTime now, ref Aftermath? aftermath)
    {
        lock (_arbiterLock)
        {
            _arbiter.Released(instance, now, _effects);
            TakeLocked(ref aftermath);
        }
    }

    public void Idle(InstanceId instance, MonotonicTime now, ref Aftermath? aftermath)
    {
        lock (_arbiterLock)
        {
            _arbiter.Idle(instance, now, _effects);
            TakeLocked(ref aftermath);
        }
    }

    public void Busy(InstanceId instance)
    {
        lock (_arbiterLock)
        {
            _arbiter.Busy(instance);
        }
    }

    /// <summary>MemAvailable of the kernel, MiB: free memory and what the kernel can take back from its caches.</summary>
    private static long AvailableMib()
    {
        foreach (var line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith("MemAvailable:", StringComparison.Ordinal))
            {
                var kib = line["MemAvailable:".Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
                return long.Parse(kib, CultureInfo.InvariantCulture) / 1024;
            }
        }

        return GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20;
    }

    private void TakeLocked(ref Aftermath? aftermath)
    {
        if (_effects.Admitted.Count + _effects.Evicted.Count + _effects.Impossible.Count == 0)
        {
            return;
        }

        aftermath ??= new Aftermath();
        aftermath.Admitted.AddRange(_effects.Admitted);
        aftermath.Evicted.AddRange(_effects.Evicted);
        aftermath.Impossible.AddRange(_effects.Impossible);
        _effects.Clear();
    }
}
