using Dormouse.Worker.Control;

namespace Dormouse.Worker.Running;

/// <summary>Measures one run on the thread that it runs on: wall time, and CPU time, the thread's or with more than one thread that of the whole process meanwhile.</summary>
internal readonly struct RunClock
{
    private readonly TimeProvider _time;
    private readonly int _cpuClock;
    private readonly long _began;
    private readonly long _cpuBegan;

    private RunClock(int threads, TimeProvider time)
    {
        _time = time;
        _cpuClock = threads == 1 ? Native.ClockThreadCpu : Native.ClockProcessCpu;
        _cpuBegan = Native.CpuMicroseconds(_cpuClock);
        _began = time.GetTimestamp();
    }

    /// <summary>What the run has used so far.</summary>
    internal RunTimes Times => new((long)_time.GetElapsedTime(_began).TotalMicroseconds, Native.CpuMicroseconds(_cpuClock) - _cpuBegan);

    /// <param name="threads">Intra-op threads of the run.</param>
    internal static RunClock Start(int threads, TimeProvider time) => new(threads, time);
}

/// <summary>Wall and CPU time of a run; zero when nothing ran.</summary>
internal readonly record struct RunTimes(long RunMicroseconds, long CpuMicroseconds)
{
    public static RunTimes operator +(RunTimes one, RunTimes other) => new(one.RunMicroseconds + other.RunMicroseconds, one.CpuMicroseconds + other.CpuMicroseconds);
}
