namespace Dormouse.Core.Scaling;

/// <summary>What the start-count rule looks at: one revision at one moment, with every free slot already given away.</summary>
/// <param name="Queued">Invocations that wait.</param>
/// <param name="Running">Invocations that run on ready instances.</param>
/// <param name="Concurrency">Slots of an instance, at least 1.</param>
/// <param name="InstancesMax">Most instances that may be ready or starting.</param>
/// <param name="Ready">Instances that serve.</param>
/// <param name="Starting">Instances that will serve.</param>
/// <param name="Learned">Measured times.</param>
/// <param name="RunningAge">Mean age of what runs: a run takes at least as long.</param>
/// <param name="StartLeft">Mean time until those starting are ready.</param>
public readonly record struct StartDemand(
    int Queued, int Running, int Concurrency, int InstancesMax, int Ready, int Starting, LearnedTimes Learned, TimeSpan RunningAge, TimeSpan StartLeft);

/// <param name="Count">Instances to start now.</param>
/// <param name="LookAgainAfter">When the answer becomes another one though nothing happens, because what runs grows older; null = it does not.</param>
public readonly record struct StartDecision(int Count, TimeSpan? LookAgainAfter);

/// <summary>
/// How many instances to start at once: min(max, ceil((running + queued) ÷ concurrency), the number whose start would end before the queue drains by itself,
/// given those already starting). What the machine's budget admits is its arbiter's to say.
/// </summary>
public static class StartCount
{
    /// <summary>
    /// A start must end this share of a start before the queue would be empty without it: starts at once slow each other, and an
    /// instance that gets one short run costs more than it saves.
    /// </summary>
    private const double WorthwhileShare = 0.25;

    private static readonly TimeSpan LookAgainMin = TimeSpan.FromMilliseconds(1);

    /// <summary>The rule.</summary>
    /// <remarks>
    /// With run time T, start time s and c slots an instance, time t from now serves Ready·c·t÷T of the queue by those ready, and by each that starts (in l) c at once and
    /// c·(t − l)÷T after it. A start is worth it while, at t = 1.25·s, part of the queue is not served by those there and the ones started before it.
    /// While T is not known, one instance is started and no more until a run has ended, or those that run have lasted as long as a start takes – then their mean age is
    /// taken for T. So a burst from zero at a revision nobody knows starts one instance, learns, and then starts what is needed. Worked example: 500 at once,
    /// c = 2, max = 8: one instance; it is ready after 3 ms; the first run ends after 0.3 ms; the 498 left would take 75 ms, a start 3 ms: 7 more.
    /// If a run took 5 µs the rest would be gone in 1.2 ms: none.
    /// </remarks>
    /// <returns>0 to what <see cref="StartDemand.InstancesMax"/> leaves.</returns>
    public static StartDecision Decide(in StartDemand demand)
    {
        var live = demand.Ready + demand.Starting;
        var needed = (int)Math.Min(int.MaxValue, ((long)demand.Running + demand.Queued + demand.Concurrency - 1) / demand.Concurrency);
        var room = Math.Min(demand.InstancesMax, needed) - live;
        if (demand.Queued == 0 || room <= 0)
        {
            return default;
        }

        if (demand.Learned.StartTime is not { } startTime)
        {
            return new StartDecision(live == 0 ? 1 : 0, null);
        }

        if (demand.Learned.RunTime is null && demand.RunningAge < startTime)
        {
            return live == 0
                ? new StartDecision(1, null)
                : new StartDecision(0, demand.Ready > 0 ? LookAgain(startTime, demand.RunningAge) : null);
        }

        var learnedRun = demand.Learned.RunTime ?? TimeSpan.Zero;
        var runTicks = Math.Max(1, Math.Max(learnedRun.Ticks, demand.RunningAge.Ticks));
        return Judge(demand, startTime, runTicks, room);
    }

    private static StartDecision Judge(in StartDemand demand, TimeSpan startTime, double runTicks, int room)
    {
        var slots = (double)demand.Concurrency;
        var horizon = startTime.Ticks * (1 + WorthwhileShare);
        var atOnce = demand.Starting * slots;
        var slotTicks = (demand.Ready * slots * horizon) + (demand.Starting * slots * Math.Max(0, horizon - demand.StartLeft.Ticks));
        var left = demand.Queued - atOnce - (slotTicks / runTicks);
        if (left > 0)
        {
            var servedByOne = slots * (1 + (WorthwhileShare * startTime.Ticks / runTicks));
            return new StartDecision((int)Math.Min(room, Math.Ceiling(left / servedByOne)), null);
        }

        if (demand.Ready == 0 || demand.Queued <= atOnce)
        {
            return default;
        }

        // The run time from which on part of the queue would be left.
        var decisive = new TimeSpan((long)Math.Min(TimeSpan.MaxValue.Ticks / 2, slotTicks / (demand.Queued - atOnce)));
        return new StartDecision(0, LookAgain(decisive, demand.RunningAge));
    }

    private static TimeSpan LookAgain(TimeSpan decisive, TimeSpan age) =>
        decisive - age > LookAgainMin ? decisive - age : LookAgainMin;
}
