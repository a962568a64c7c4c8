using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Simulation.Comparing;

/// <summary>The learned keep-alive with this idle time-out.</summary>
public sealed record LearnedPoint(TimeSpan IdleTimeout, PolicyResult Result);

/// <summary>A rival, and what the learned keep-alive does with no more memory, and with no more cold starts.</summary>
/// <param name="AtMemory">The longest idle time-out found with which it holds no more memory.</param>
/// <param name="AtColdStarts">What holds least memory of what was found to have no more cold starts; null when nothing has so few.</param>
public sealed record RivalMatch(PolicyResult Rival, LearnedPoint AtMemory, LearnedPoint? AtColdStarts);

/// <summary>
/// Memory against cold starts: each policy with several settings, and our learned keep-alive at the very memory, and at the very cold starts, of those that are used most. A single setting of each says little: one that
/// holds more memory starts less.
/// </summary>
public static class KeepAliveCurve
{
    /// <summary>Halvings between two of <see cref="Times"/> on the way to equal memory, or equal cold starts: to about one per cent.</summary>
    private const int Halvings = 7;

    /// <summary>Share of a rival's memory that counts as no more: accounts end at different moments.</summary>
    private const double Tolerance = 0.001;

    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Longest = TimeSpan.FromHours(4);

    /// <summary>Settings of each policy.</summary>
    public static readonly ImmutableArray<TimeSpan> Times =
        [TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(60), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(20)];

    /// <summary>The points of the curve: learned and fixed with these idle time-outs, Knative's with these windows. Nobody is refused: <c>timeout</c> and <c>queue_timeout</c> are an hour.</summary>
    public static ImmutableArray<Policy> Policies { get; } =
    [
        .. Times.Select(Learned),
        .. Times.Select(t => Patient(Policy.FixedTenMinutes with { Name = $"fixed {Durations.Words(t)}" }, t)),
        .. Times.Select(t => Windowed($"knative {Durations.Words(t)}", t)),
    ];

    /// <summary>Those to be beaten: what the large clouds do, and Knative as it is installed.</summary>
    public static ImmutableArray<Policy> Rivals { get; } = [Patient(Policy.FixedTenMinutes, TimeSpan.FromMinutes(10)), Windowed(Policy.Knative.Name, TimeSpan.FromSeconds(60))];

    /// <summary>The learned keep-alive beside a rival.</summary>
    /// <param name="run">Runs the load under a policy; the same one may be asked for again.</param>
    public static RivalMatch Match(PolicyResult rival, Func<Policy, PolicyResult> run)
    {
        LearnedPoint Point(TimeSpan idle) => new(idle, run(Learned(idle)));
        return new RivalMatch(rival, AtMemory(rival, Point), AtColdStarts(rival, Point));
    }

    private static LearnedPoint AtMemory(PolicyResult rival, Func<TimeSpan, LearnedPoint> point)
    {
        bool Fits(LearnedPoint tried) => tried.Result.Totals.GibSeconds <= rival.Totals.GibSeconds * (1 + Tolerance);
        var (best, high) = (point(Shortest), Longest);
        foreach (var time in Times)
        {
            // More time is not always more memory: what is learned changes with it. So the longest that fits counts.
            var tried = point(time);
            (best, high) = Fits(tried) ? (tried, Longest) : (best, high < time ? high : time);
        }

        for (var i = 0; i < Halvings; i++)
        {
            var tried = point(Between(best.IdleTimeout, high));
            (best, high) = Fits(tried) ? (tried, high) : (best, tried.IdleTimeout);
        }

        return best;
    }

    private static LearnedPoint? AtColdStarts(PolicyResult rival, Func<TimeSpan, LearnedPoint> point)
    {
        bool Fits(LearnedPoint tried) => tried.Result.Totals.ColdGrants <= rival.Totals.ColdGrants;
        LearnedPoint? best = null;
        var (low, previous) = (Shortest, Shortest);
        foreach (var time in (TimeSpan[])[Shortest, .. Times, Longest])
        {
            // Neither are more cold starts always less memory: of all that fit, the least memory counts.
            var tried = point(time);
            if (Fits(tried) && HoldsLess(tried, best))
            {
                (best, low) = (tried, previous);
            }

            previous = time;
        }

        if (best is null)
        {
            return null;
        }

        var high = best.IdleTimeout;
        for (var i = 0; i < Halvings && low < high; i++)
        {
            var tried = point(Between(low, high));
            (low, high) = Fits(tried) ? (low, tried.IdleTimeout) : (tried.IdleTimeout, high);
            best = Fits(tried) && HoldsLess(tried, best) ? tried : best;
        }

        return best;
    }

    private static bool HoldsLess(LearnedPoint tried, LearnedPoint? best) => best is null || tried.Result.Totals.GibSeconds < best.Result.Totals.GibSeconds;

    /// <summary>In the middle of two times, by their ratio; whole milliseconds.</summary>
    private static TimeSpan Between(TimeSpan low, TimeSpan high) => TimeSpan.FromMilliseconds(Math.Round(Math.Sqrt(low.TotalMilliseconds * high.TotalMilliseconds)));

    private static Policy Learned(TimeSpan idle) =>
        Patient(new Policy($"learned {Durations.Words(idle)}", new RevisionWishes { KeepAlive = SpecRules.LearnedKeepAlive }), idle);

    private static Policy Patient(Policy policy, TimeSpan idle) => Patient(policy with { Wishes = policy.Wishes with { IdleTimeout = Durations.Format(idle) } });

    private static Policy Windowed(string name, TimeSpan window) =>
        Patient(Policy.Knative with { Name = name, Wishes = Policy.Knative.Wishes with { StableWindow = Durations.Format(window), PanicWindow = Durations.Format(window / 10) } });

    private static Policy Patient(Policy policy) => policy with { Wishes = policy.Wishes with { Timeout = "1h", QueueTimeout = "1h" } };
}
