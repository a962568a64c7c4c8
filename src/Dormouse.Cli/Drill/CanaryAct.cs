using System.Collections.Immutable;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Drill;

/// <summary>What was seen of a canary.</summary>
/// <param name="Info">When it was looked at last.</param>
/// <param name="IsSlow">The new revision takes ten times as long.</param>
/// <param name="ByNew">Answers of the new revision while it was a canary.</param>
/// <param name="ByOld">Answers of the old one meanwhile.</param>
/// <param name="QuickByNew">What three quarters of the new one's warm runs took longer than, in milliseconds; null when there were too few.</param>
/// <param name="LongByOld">What three quarters of the old one's took less than.</param>
/// <param name="Traffic">After it.</param>
internal sealed record CanarySight(CanaryInfo? Info, int New, int Old, bool IsSlow, int ByNew, int ByOld, double? QuickByNew, double? LongByOld, ImmutableSortedDictionary<string, int> Traffic)
{
    /// <summary>Well beyond what the rule of canaries forgives.</summary>
    private const double PlainlyLonger = 1.5;

    public bool IsPromoted => Info is { State: "promoted" };

    /// <summary>Even its quicker runs were longer than the old one's longer ones. On a machine with many times more to do than it has cores the waits of both hide that.</summary>
    public bool IsPlainlySlower => QuickByNew >= PlainlyLonger * LongByOld;

    public bool IsDecided => IsPromoted || Info is { State: "rolled_back" };
}

/// <summary>
/// Two canaries under load: a revision like the old one, and one that takes ten times as long. Promised: each is decided by itself, both sides answer while it runs, the slow one is rolled back, and afterwards the
/// traffic is where the decision says (each answer is judged for that). A sound one may be rolled back by chance, one in a hundred at most; which it was is said and is no fault. Nor is it one to promote the slow one where its runs
/// were not seen to be slower, as on a machine with many times more to do than it has cores.
/// </summary>
internal sealed class CanaryAct(DrillEndpoint endpoint, DrillCaller caller, DrillPromises promises, Screen screen, TimeProvider time)
{
    /// <summary>A canary's own time limit, and what its decision may take.</summary>
    private static readonly TimeSpan DecidedLimit = TimeSpan.FromSeconds(75);

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);

    /// <param name="underLoadAsync">Does something in the middle of a steady load.</param>
    public async Task PlayAsync(string act, Func<Func<CancellationToken, Task>, CancellationToken, Task> underLoadAsync, CancellationToken cancellationToken)
    {
        foreach (var isSlow in (bool[])[true, false])
        {
            // What the acts before left need not be the newest, nor what the canary before left a usual one.
            await endpoint.BackToUsualAsync(cancellationToken);
            var answers = new AnswersByRevision();
            CanarySight? sight = null;
            await underLoadAsync(async cancelled => sight = await DecideAsync(isSlow, answers, cancelled), cancellationToken);
            if (sight is { } seen)
            {
                Judge(act, seen, promises);
                screen.Note($"canary: {(isSlow ? "a slow revision" : "one like the old")} was {seen.Info?.State.Replace('_', ' ') ?? "forgotten"}: {seen.Info?.Reason}");
            }
        }
    }

    /// <summary>Finds what is broken of what was seen.</summary>
    internal static void Judge(string act, CanarySight seen, DrillPromises promises)
    {
        var winner = DrillEndpoint.NameOf(seen.IsPromoted ? seen.New : seen.Old);
        promises.Check(seen.IsDecided, act, $"r{seen.New} was not decided on within {DecidedLimit.TotalSeconds:0} s, it is {seen.Info?.State ?? "no canary"}");
        promises.Check(!(seen.IsSlow && seen.IsPromoted && seen.IsPlainlySlower), act, $"r{seen.New} takes ten times as long as r{seen.Old} and was promoted");
        promises.Check(seen is { ByNew: > 0, ByOld: > 0 }, act, $"of the calls while r{seen.New} was a canary it answered {seen.ByNew} and r{seen.Old} {seen.ByOld}");
        promises.Check(!seen.IsDecided || (seen.Traffic.Count == 1 && seen.Traffic.GetValueOrDefault(winner) == 100), act,
            $"r{seen.New} was {seen.Info?.State.Replace('_', ' ')} and the traffic is {string.Join(", ", seen.Traffic.Select(t => $"{t.Key}={t.Value}"))}");
    }

    private async Task<CanarySight> DecideAsync(bool isSlow, AnswersByRevision answers, CancellationToken cancellationToken)
    {
        var old = endpoint.NewestUsual;
        caller.Heard = answers.Heard;
        try
        {
            await endpoint.BeginCanaryAsync(isSlow, cancellationToken);
            var number = endpoint.Revisions;
            var start = time.GetTimestamp();
            while (true)
            {
                var now = await endpoint.InfoAsync(cancellationToken);
                var sight = new CanarySight(now.Canary, number, old, isSlow, answers.Of(number), answers.Of(old), answers.RunOf(number, 0.25), answers.RunOf(old, 0.75), now.Traffic);
                if (sight.IsDecided || time.GetElapsedTime(start) > DecidedLimit)
                {
                    endpoint.RolloutEnded(sight.IsPromoted ? number : old, isUsual: !isSlow && sight.IsPromoted);
                    return sight;
                }

                await Task.Delay(LookAgain, time, cancellationToken);
            }
        }
        finally
        {
            caller.Heard = null;
        }
    }
}
