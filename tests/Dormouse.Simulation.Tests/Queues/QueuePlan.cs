using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Tests.Queues;

/// <summary>What a seed makes of its world: how many servers, and how much goes wrong.</summary>
internal sealed record QueuePlan
{
    public required int Servers { get; init; }

    public required int Endpoints { get; init; }

    public required int Items { get; init; }

    /// <summary>Calls and faults come within it; then everything is let come to rest.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Chances, each of its own moment.</summary>
    public double SentTwice { get; init; }

    public double ServerCrash { get; init; }

    public double WorkerCrash { get; init; }

    public double NoSlot { get; init; }

    public double BadAnswer { get; init; }

    public double CommitUnknown { get; init; }

    /// <summary>Mean time between them; zero = none.</summary>
    public TimeSpan ClockJumpEvery { get; init; }

    public TimeSpan FreezeEvery { get; init; }

    public TimeSpan StoreAwayEvery { get; init; }

    public TimeSpan UserEvery { get; init; }

    /// <summary>Items a second that a server may take of every second endpoint; null = any.</summary>
    public double? Rate { get; init; }

    /// <summary>Clocks agree and no server stands still: then no lease is ever taken from a server that lives.</summary>
    public bool IsCalm => ClockJumpEvery == TimeSpan.Zero && FreezeEvery == TimeSpan.Zero && StoreAwayEvery == TimeSpan.Zero;

    public static QueuePlan Of(ulong seed)
    {
        var random = SeededRandom.For(seed, 6_000);
        var isCalm = random.Happens(0.3);
        return new QueuePlan
        {
            Servers = 1 + random.Below(3),
            Endpoints = 1 + random.Below(3),
            Items = 1 + random.Below(40),
            Duration = TimeSpan.FromSeconds(10 + random.Below(600)),
            SentTwice = random.Happens(0.6) ? random.Unit() * 0.5 : 0,
            ServerCrash = random.Happens(0.6) ? random.Unit() * 0.15 : 0,
            WorkerCrash = random.Happens(0.6) ? random.Unit() * 0.3 : 0,
            NoSlot = random.Happens(0.3) ? random.Unit() * 0.5 : 0,
            BadAnswer = random.Happens(0.6) ? random.Unit() * 0.4 : 0,
            CommitUnknown = random.Happens(0.4) ? random.Unit() * 0.3 : 0,
            ClockJumpEvery = !isCalm && random.Happens(0.6) ? TimeSpan.FromSeconds(5 + random.Below(120)) : TimeSpan.Zero,
            FreezeEvery = !isCalm && random.Happens(0.5) ? TimeSpan.FromSeconds(10 + random.Below(120)) : TimeSpan.Zero,
            StoreAwayEvery = !isCalm && random.Happens(0.4) ? TimeSpan.FromSeconds(10 + random.Below(120)) : TimeSpan.Zero,
            UserEvery = random.Happens(0.5) ? TimeSpan.FromSeconds(2 + random.Below(60)) : TimeSpan.Zero,
            Rate = random.Happens(0.4) ? Math.Pow(10, (random.Unit() * 3) - 1.5) : null,
        };
    }
}

/// <summary>Ways in which a queue could break its promises, for tests of the harness.</summary>
internal enum QueueDistortion
{
    None,

    /// <summary>What a server that crashed had is gone.</summary>
    LosesLeased,

    /// <summary>Whoever ran it ends it, whether it still has the lease or not.</summary>
    IgnoresFence,

    /// <summary>A message that comes again is another one.</summary>
    ForgetsKeys,

    /// <summary>Items of a group are like all others.</summary>
    ForgetsGroups,

    /// <summary>What is too late is taken all the same.</summary>
    RunsLate,

    /// <summary>Leases last a second and are held anew after twenty.</summary>
    ShortLeases,

    /// <summary>The request of an item that waits or runs is changed as if it had ended.</summary>
    EditsLive,

    /// <summary>What is taken does not use up the rate.</summary>
    IgnoresRate,
}
