using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Simulation.Comparing;

/// <summary>A rival, and the learned keep-alive that holds no more memory.</summary>
/// <param name="IdleTimeout">The setting with which it does: the largest that was found.</param>
public sealed record EqualMemory(PolicyResult Rival, PolicyResult Learned, TimeSpan IdleTimeout);

/// <summary>
/// Memory against cold starts: each policy with several settings, and our learned keep-alive at the very memory of those that are used most. A single setting of each says little: one that holds more memory starts less.
/// </summary>
public static class KeepAliveCurve
{
    /// <summary>Halvings between two of <see cref="Times"/> on the way to equal memory: to about one per cent.</summary>
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

    /// <summary>The learned keep-alive with the largest idle time-out with which it holds no more memory than a rival.</summary>
    /// <param name="run">Runs the load under a policy.</param>
    public static EqualMemory At(PolicyResult rival, Func<Policy, PolicyResult> run)
    {
        var best = new EqualMemory(rival, run(Learned(Shortest)), Shortest);
        var high = Longest;
        foreach (var time in Times)
        {
            // More time is not always more memory: what is learned changes with it. So the longest that fits counts.
            var tried = new EqualMemory(rival, run(Learned(time)), time);
            (best, high) = Fits(tried) ? (tried, Longest) : (best, high < time ? high : time);
        }

        for (var i = 0; i < Halvings; i++)
        {
            var time = TimeSpan.FromMilliseconds(Math.Round(Math.Sqrt(best.IdleTimeout.TotalMilliseconds * high.TotalMilliseconds)));
            var tried = new EqualMemory(rival, run(Learned(time)), time);
            (best, high) = Fits(tried) ? (tried, high) : (best, time);
        }

        return best;
    }

    private static bool Fits(EqualMemory tried) => tried.Learned.Totals.GibSeconds <= tried.Rival.Totals.GibSeconds * (1 + Tolerance);

    private static Policy Learned(TimeSpan idle) =>
        Patient(new Policy($"learned {Durations.Words(idle)}", new RevisionWishes { KeepAlive = SpecRules.LearnedKeepAlive }), idle);

    private static Policy Patient(Policy policy, TimeSpan idle) => Patient(policy with { Wishes = policy.Wishes with { IdleTimeout = Durations.Format(idle) } });

    private static Policy Windowed(string name, TimeSpan window) =>
        Patient(Policy.Knative with { Name = name, Wishes = Policy.Knative.Wishes with { StableWindow = Durations.Format(window), PanicWindow = Durations.Format(window / 10) } });

    private static Policy Patient(Policy policy) => policy with { Wishes = policy.Wishes with { Timeout = "1h", QueueTimeout = "1h" } };
}
