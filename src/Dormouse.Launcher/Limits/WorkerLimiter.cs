using System.Collections.Immutable;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Limits;

/// <summary>Bounds what a worker may use, tells what it used, and finds what it left behind. One of: cgroup v1, cgroup v2, resource limits only.</summary>
internal abstract class WorkerLimiter
{
    /// <summary>"v1", "v2" or "none".</summary>
    public abstract string Word { get; }

    /// <summary>Sentences for people: what does not work here and how to mend it.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>Freezes what is in a place; null where that does not work, or it has not been tried.</summary>
    public Freezer? Freezer { get; set; }

    /// <summary>A freezer that may work, or null and why there is none.</summary>
    public virtual (Freezer? Freezer, string Reason) FindFreezer() => (null, "workers have no cgroups of their own here");

    /// <summary>Pushes the memory of a frozen worker out to swap; blocks until it is.</summary>
    public virtual void PushOut(string name)
    {
    }

    /// <summary>Limits are set on the process, since it has no place that could carry them.</summary>
    public virtual bool LimitsProcess => false;

    /// <summary>Makes a place for a worker. The child writes itself into each returned file before it runs the program.</summary>
    public abstract ImmutableArray<string> Create(string name);

    /// <summary>Folders of a place that tell what is in it how it is bounded: where each is here, and where programs look for it.</summary>
    public virtual ImmutableArray<(string Here, string Inside)> Views(string name) => [];

    /// <summary>Processes in a place, as this machine numbers them; empty where there are no places.</summary>
    public virtual IEnumerable<int> Processes(string name) => [];

    /// <summary>Sets the limits. The process may not exist yet (0): then the place alone is limited.</summary>
    /// <param name="before">What the place is limited by already; null = nothing was set. What is the same is not set again: each costs a start a few calls.</param>
    public abstract LimitFailure? Apply(string name, int process, WorkerLimits limits, WorkerLimits? before);

    /// <summary>What was used so far; zeros where this limiter cannot know.</summary>
    public abstract WorkerUsage Usage(string name);

    /// <summary>Kills what the ended worker left behind and removes its place. False: something is still there, ask again soon.</summary>
    /// <param name="session">Session that the worker led; its process is reaped.</param>
    /// <param name="livingSessions">Sessions of workers that still run.</param>
    public abstract bool TryClear(string name, int session, IReadOnlySet<int> livingSessions);

    /// <summary>Kills and removes everything that an earlier launcher left. False: something is still there, ask again soon.</summary>
    public abstract bool TrySweep();
}

/// <param name="OutOfMemory">It already uses more than the limit allows.</param>
internal sealed record LimitFailure(string Reason, bool OutOfMemory);

/// <param name="OutOfMemoryKills">Times that the kernel killed for the memory limit.</param>
/// <param name="ProcessesRefused">Times that a process or thread was refused for their limit.</param>
internal readonly record struct WorkerUsage(long PeakMemoryBytes, long CpuMicroseconds, long OutOfMemoryKills, long ProcessesRefused);
