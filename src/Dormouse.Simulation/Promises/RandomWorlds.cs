using System.Collections.Immutable;
using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Simulation.Promises;

/// <summary>Small worlds full of trouble, one for each seed: few endpoints with odd policies on machines that are too small, bursts, crashes, bad starts, frozen clocks, lost machines.</summary>
public static class RandomWorlds
{
    /// <summary>Far more than any of these worlds needs.</summary>
    private const int EventsMax = 1_000_000;

    /// <summary>Streams of their own: what else a seed's world is stays as it was.</summary>
    private const ulong DeferringStream = 34;
    private const ulong LoadStream = 1_000;
    private const ulong CrowdStream = 1_001;
    private const ulong LimitStream = 1_002;
    private const ulong UnlimitedStream = 1_003;

    /// <summary>Longer than every time-out.</summary>
    private static readonly TimeSpan Afterwards = TimeSpan.FromMinutes(10);

    private static readonly int[] IdleMs = [0, 20, 500, 5_000, 60_000];
    private static readonly int[] TimeoutMs = [5, 60, 2_000, 60_000];
    private static readonly int[] WaitMs = [30, 300, 5_000, 60_000];

    /// <summary>Runs the world of a seed to its end and checks every promise on the way.</summary>
    /// <param name="distort">Tests break engines with it; null = the product as it is.</param>
    /// <returns>Events that were checked.</returns>
    /// <exception cref="BrokenPromiseException">A promise was broken; the message names the seed.</exception>
    internal static long Check(ulong seed, Action<int, RevisionEvent, RevisionEffects>? distort)
    {
        var plan = Make(seed);
        var watch = new PromiseWatch(plan);
        try
        {
            var world = new World(plan, watch);
            world.State.Distort = distort;
            var kept = plan.Endpoints.Sum(Kept);
            // Instances that are to be kept and never start in time are tried for ever.
            var end = kept > 0 ? new MonotonicTime((plan.Duration + Afterwards).Ticks) : MonotonicTime.Never;
            while (world.Now < end && world.Step())
            {
                if (world.Totals.Events > EventsMax)
                {
                    throw new BrokenPromiseException($"after {EventsMax} events the world has not come to rest.");
                }
            }

            watch.CheckRest(world.Now, kept);
            return world.Totals.Events;
        }
        catch (BrokenPromiseException e)
        {
            throw new BrokenPromiseException($"Seed {seed}: {e.Message}\nAgain: ./test --seed {seed}");
        }
    }

    /// <inheritdoc cref="Check(ulong, Action{int, RevisionEvent, RevisionEffects}?)"/>
    public static long Check(ulong seed) => Check(seed, null);

    /// <summary>The plan of a seed.</summary>
    public static WorldPlan Make(ulong seed)
    {
        var random = SeededRandom.For(seed, 0);
        var deferring = SeededRandom.For(seed, DeferringStream);
        var load = SeededRandom.For(seed, LoadStream);
        var crowd = SeededRandom.For(seed, CrowdStream);
        var unlimited = SeededRandom.For(seed, UnlimitedStream);
        var isCrowded = crowd.Happens(0.15);
        var isQuiet = random.Happens(0.2);
        var duration = isQuiet ? TimeSpan.FromHours(1) : TimeSpan.FromSeconds(1 + random.Below(20));
        var count = 1 + random.Below(5);
        var endpoints = ImmutableArray.CreateBuilder<EndpointPlan>(count);
        for (var i = 0; i < count; i++)
        {
            var spec = Spec(ref random);
            spec = load.Happens(0.3) ? Loaded(spec, ref load) : spec;
            spec = unlimited.Happens(0.2) ? Unlimited(spec, ref unlimited) : spec;
            var arrivals = new RecordedArrivals(isQuiet ? Regular(duration, ref random) : Arrivals(duration, ref random));
            endpoints.Add(new EndpointPlan($"e{i}", spec, arrivals)
            {
                Floors = random.Happens(0.3) ? Floors(duration, spec, ref random) : [],
                // Part of a microsecond that is not accounted yet ends with an engine, and one without traffic may end: the books of provisioned time would be off by one.
                Shifts = spec.Provisioned == 0 && random.Happens(0.4) ? Shifts(duration, spec, ref random) : [],
                DeferredEvery = deferring.Happens(0.4) ? 1 + deferring.Below(4) : 0,
                Tenant = new TenantId($"t{crowd.Below(3)}"),
            });
        }

        var plan = new WorldPlan
        {
            Seed = seed,
            Endpoints = endpoints.DrainToImmutable(),
            Duration = duration,
            Machines = 1 + random.Below(2),
            Machine = Machine(ref random),
            ProvisionedEvery = duration * (0.001 + (0.2 * random.Unit())),
            Faults = isQuiet ? FaultPlan.None : Faults(ref random),
            Callers = random.Happens(0.4) ? Callers(ref random) : CallerPlan.Silent,
            Runs = new RunPlan { Knee = random.Happens(0.5) ? 1 + random.Below(4) : 0, BatchGrowth = random.Unit() },
        };
        var limit = SeededRandom.For(seed, LimitStream);
        return Limited(isCrowded ? Crowded(plan, ref crowd) : plan, ref limit);
    }

    /// <summary>More endpoints that never pause than the machine has room for: they only get on when those that are busy give way.</summary>
    private static WorldPlan Crowded(WorldPlan plan, ref SeededRandom random)
    {
        var duration = TimeSpan.FromSeconds(25 + random.Below(50));
        var endpoints = ImmutableArray.CreateBuilder<EndpointPlan>();
        for (var i = 0; i < 2 + random.Below(4); i++)
        {
            var old = plan.Endpoints[i % plan.Endpoints.Length];
            var spec = old.Spec with { MemoryMib = 64 * (2 + random.Below(3)), QueueTimeout = TimeSpan.FromMinutes(1), Timeout = TimeSpan.FromMinutes(1), BatchDelay = TimeSpan.Zero };
            var (arrivals, run) = (new List<Arrival>(), TimeSpan.FromMilliseconds(50 + random.Below(500)));
            for (var at = run * random.Unit(); at < duration; at += run * (0.5 + (0.6 * random.Unit())))
            {
                arrivals.Add(new Arrival(new MonotonicTime(at.Ticks), run));
            }

            endpoints.Add(new EndpointPlan($"e{i}", spec, new RecordedArrivals(arrivals)) { Tenant = new TenantId($"t{random.Below(3)}"), DeferredEvery = old.DeferredEvery });
        }

        return plan with
        {
            Duration = duration,
            Endpoints = endpoints.ToImmutable(),
            Machines = 1,
            Machine = plan.Machine with { BudgetMib = 256 + (64 * random.Below(4)) },
        };
    }

    /// <summary>With cores that are reserved and few that may be, and with few starts in a time.</summary>
    private static WorldPlan Limited(WorldPlan plan, ref SeededRandom random)
    {
        if (random.Happens(0.35))
        {
            var cores = 1 + random.Below(4);
            var endpoints = ImmutableArray.CreateBuilder<EndpointPlan>(plan.Endpoints.Length);
            foreach (var endpoint in plan.Endpoints)
            {
                // One in eight can never start.
                var reserved = random.Happens(0.7) ? cores * Math.Round(random.Unit() * (random.Happens(0.12) ? 1.5 : 1), 3) : 0;
                endpoints.Add(endpoint with { Spec = endpoint.Spec with { ReserveCpu = reserved } });
            }

            plan = plan with { Endpoints = endpoints.MoveToImmutable(), Machine = plan.Machine with { ReservableCores = cores } };
        }

        var rate = random.Happens(0.5) ? 0.2 + random.Unit() : 1 + random.Below(40);
        return random.Happens(0.35) ? plan with { Machine = plan.Machine with { StartsPerSecond = rate } } : plan;
    }

    /// <summary>Calls of a timer, nearly: what keep-alive learns from.</summary>
    private static List<Arrival> Regular(TimeSpan duration, ref SeededRandom random)
    {
        var arrivals = new List<Arrival>();
        var period = TimeSpan.FromSeconds(15 + random.Below(180));
        for (var at = period * random.Unit(); at < duration; at += period * (0.97 + (0.06 * random.Unit())))
        {
            arrivals.Add(new Arrival(new MonotonicTime(at.Ticks), TimeSpan.FromMilliseconds(1 + random.Below(3_000))));
        }

        return arrivals;
    }

    private static RevisionSpec Spec(ref SeededRandom random)
    {
        var max = 1 + random.Below(4);
        var spec = new RevisionSpec
        {
            Runtime = RuntimeKind.Onnx.Name,
            MemoryMib = 64 * (1 + random.Below(8)),
            Concurrency = 1 + random.Below(4),
            MaxInstances = max,
            MinInstances = random.Happens(0.2) ? random.Below(max + 1) : 0,
            SpareInstances = random.Happens(0.3) ? 1 + random.Below(max) : 0,
            TargetUtilization = random.Happens(0.2) ? 0.1 + (0.9 * random.Unit()) : null,
            ScaleDownDelay = random.Happens(0.1) ? TimeSpan.FromSeconds(1 + random.Below(60)) : TimeSpan.Zero,
            Provisioned = random.Happens(0.2) ? random.Below(max + 1) : 0,
            IdleTimeout = Pick(IdleMs, ref random),
            FrozenFor = random.Happens(0.4) ? TimeSpan.FromMilliseconds(1 + random.Below(60_000)) : TimeSpan.Zero,
            KeepAlive = random.Happens(0.5) ? KeepAliveMode.Learned : KeepAliveMode.Fixed,
            Timeout = Pick(TimeoutMs, ref random),
            StartTimeout = Pick(WaitMs, ref random),
            QueueTimeout = Pick(WaitMs, ref random),
            QueueLimit = 1 + random.Below(40),
            Overflow = random.Happens(0.3) ? new OverflowPolicy("https://other", 1 + random.Below(5), null, null) : null,
        };

        return random.Below(4) switch
        {
            0 => spec with { BatchMax = 2 + random.Below(7), BatchDelay = random.Happens(0.5) ? spec.Timeout * (0.5 * random.Unit()) : TimeSpan.Zero },
            1 => spec with { IsConcurrencyAuto = true, Cpu = spec.Concurrency },
            _ => spec,
        };
    }

    /// <summary>Without a limit but the one that no instance may exceed, which is low here.</summary>
    private static RevisionSpec Unlimited(RevisionSpec spec, ref SeededRandom random) => spec with
    {
        IsConcurrencyUnlimited = true,
        IsConcurrencyAuto = false,
        Concurrency = 2 + random.Below(40),
        BatchMax = 1,
        BatchDelay = TimeSpan.Zero,
        TargetConcurrency = random.Happens(0.7) ? 0.5 + (8 * random.Unit()) : null,
        TargetRps = null,
    };

    /// <summary>With odd settings of the load.</summary>
    private static RevisionSpec Loaded(RevisionSpec spec, ref SeededRandom random) => spec with
    {
        TargetRps = random.Happens(0.5) ? 0.5 + random.Below(100) : null,
        StableWindow = TimeSpan.FromSeconds(6 + random.Below(60)),
        PanicWindow = TimeSpan.FromSeconds(1 + random.Below(6)),
        PanicThreshold = 1.1 + (2 * random.Unit()),
        MaxScaleUpRate = random.Happens(0.5) ? 1.1 + random.Unit() : 1000,
        MaxScaleDownRate = random.Happens(0.5) ? 1.1 + random.Unit() : null,
        InitialInstances = random.Below(spec.MaxInstances + 1),
        ActivationInstances = random.Below(spec.MaxInstances + 1),
        ScaleToZeroGrace = random.Happens(0.5) ? TimeSpan.FromSeconds(random.Below(30)) : TimeSpan.Zero,
    };

    /// <summary>Windows that open and close while calls come; the last one closes or stays open.</summary>
    private static ImmutableArray<PlannedFloor> Floors(TimeSpan duration, RevisionSpec spec, ref SeededRandom random)
    {
        var floors = ImmutableArray.CreateBuilder<PlannedFloor>();
        for (var at = duration * (0.4 * random.Unit()); at < duration; at += duration * (0.01 + (0.4 * random.Unit())))
        {
            floors.Add(new PlannedFloor(new MonotonicTime(at.Ticks), random.Below(spec.MaxInstances + 1)));
        }

        return floors.ToImmutable();
    }

    /// <summary>Handovers to other revisions and back while calls come; in the end the traffic is here.</summary>
    private static ImmutableArray<PlannedShift> Shifts(TimeSpan duration, RevisionSpec spec, ref SeededRandom random)
    {
        var shifts = ImmutableArray.CreateBuilder<PlannedShift>();
        for (var at = duration * (0.4 * random.Unit()); at < duration; at += duration * (0.01 + (0.4 * random.Unit())))
        {
            shifts.Add(new PlannedShift(new MonotonicTime(at.Ticks), random.Happens(0.4) ? null : random.Below(spec.MaxInstances + 2)));
        }

        shifts.Add(new PlannedShift(new MonotonicTime(duration.Ticks), null));
        return shifts.ToImmutable();
    }

    /// <summary>Instances that are there for good in the end.</summary>
    private static int Kept(EndpointPlan endpoint) =>
        Math.Max(Math.Max(endpoint.Spec.MinInstances, endpoint.Spec.Provisioned), endpoint.Floors.Select(f => f.Instances).LastOrDefault());

    /// <summary>Single calls and bursts with pauses between them.</summary>
    private static List<Arrival> Arrivals(TimeSpan duration, ref SeededRandom random)
    {
        var arrivals = new List<Arrival>();
        var pause = TimeSpan.FromMilliseconds(1 + random.Below(800));
        var run = new Spread.Lognormal(TimeSpan.FromMilliseconds(0.2 + random.Below(60)), 1);
        var burstShare = random.Unit() * 0.3;
        for (var at = pause * random.Exponential(); at < duration; at += pause * random.Exponential())
        {
            var count = random.Happens(burstShare) ? 1 + random.Below(60) : 1;
            for (var i = 0; i < count; i++)
            {
                arrivals.Add(new Arrival(new MonotonicTime(at.Ticks), run.Draw(ref random)));
            }
        }

        return arrivals;
    }

    private static CallerPlan Callers(ref SeededRandom random) => new()
    {
        WithDeadline = random.Unit(),
        Deadline = new Spread.Even(TimeSpan.Zero, TimeSpan.FromMilliseconds(1 + random.Below(3_000))),
    };

    private static MachinePlan Machine(ref SeededRandom random) => new()
    {
        BudgetMib = 256 + (64 * random.Below(24)),
        StartsAtOnceMax = 1 + random.Below(4),
        StartTime = new Spread.Lognormal(TimeSpan.FromMilliseconds(1 + random.Below(60)), 0.6),
        LoadTime = new Spread.Lognormal(TimeSpan.FromMilliseconds(1 + random.Below(10)), 0.6),
        ThawTime = new Spread.Even(TimeSpan.Zero, TimeSpan.FromMilliseconds(2)),
        StopTime = new Spread.Even(TimeSpan.Zero, TimeSpan.FromMilliseconds(1 + random.Below(30))),
        AnswerTime = random.Happens(0.5) ? new Spread.Even(TimeSpan.FromMilliseconds(0.1), TimeSpan.FromMilliseconds(20)) : new Spread.Always(TimeSpan.Zero),
    };

    private static FaultPlan Faults(ref SeededRandom random) => new()
    {
        CrashEvery = random.Happens(0.6) ? TimeSpan.FromMilliseconds(50 + random.Below(5_000)) : TimeSpan.Zero,
        FailedStarts = random.Happens(0.5) ? random.Unit() * 0.5 : 0,
        SlowStarts = random.Happens(0.5) ? random.Unit() * 0.5 : 0,
        RefusedFreezes = random.Happens(0.2) ? random.Unit() * 0.5 : 0,
        FailedThaws = random.Happens(0.4) ? random.Unit() * 0.5 : 0,
        LostReadiness = random.Happens(0.4) ? random.Unit() * 0.3 : 0,
        ClockJumpEvery = random.Happens(0.4) ? TimeSpan.FromMilliseconds(200 + random.Below(5_000)) : TimeSpan.Zero,
        ClockJump = new Spread.Even(TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(10)),
        MachineLossEvery = random.Happens(0.3) ? TimeSpan.FromMilliseconds(500 + random.Below(10_000)) : TimeSpan.Zero,
        MachineOutage = new Spread.Even(TimeSpan.Zero, TimeSpan.FromSeconds(3)),
        ImpatientCallers = random.Happens(0.5) ? random.Unit() * 0.5 : 0,
        Patience = new Spread.Even(TimeSpan.Zero, TimeSpan.FromMilliseconds(500)),
    };

    private static TimeSpan Pick(int[] milliseconds, ref SeededRandom random) => TimeSpan.FromMilliseconds(milliseconds[random.Below(milliseconds.Length)]);
}
