using System.Collections.Immutable;

namespace Dormouse.Cli.Drill;

/// <summary>Counts replies by act. Calls end on many threads at once.</summary>
internal sealed class DrillTally
{
    /// <summary>Sentences that are kept; the rest is counted only.</summary>
    private const int FaultsMax = 20;

    private readonly Lock _countsLock = new();
    private readonly List<ActCounts> _acts = [];
    private readonly List<string> _faults = [];
    private readonly List<string> _invocations = [];
    private readonly HashSet<string> _ran = new(StringComparer.Ordinal);
    private int _unknown;

    public void Count(string act, DrillReply reply, Judgement judgement)
    {
        lock (_countsLock)
        {
            var index = IndexLocked(act);
            _acts[index] = _acts[index].With(reply, judgement.Verdict);
            if (reply.Trace?.InvocationId is not { } invocation)
            {
                _unknown++;
            }
            else
            {
                _invocations.Add(invocation);
                if (reply.Status == 200)
                {
                    _ran.Add(invocation);
                }
            }

            if (judgement is { Verdict: Verdict.Lost or Verdict.Wrong or Verdict.Late, Why: { } why })
            {
                FaultLocked($"{act}: {why}");
            }
        }
    }

    /// <summary>In the order in which acts began.</summary>
    public ImmutableArray<ActCounts> Acts()
    {
        lock (_countsLock)
        {
            return [.. _acts];
        }
    }

    public ImmutableArray<string> Faults()
    {
        lock (_countsLock)
        {
            return [.. _faults];
        }
    }

    /// <summary>What the ledger must agree with.</summary>
    public AnsweredCalls Answered()
    {
        lock (_countsLock)
        {
            return new AnsweredCalls([.. _invocations], [.. _ran], _unknown);
        }
    }

    private int IndexLocked(string act)
    {
        var index = _acts.FindIndex(a => a.Act == act);
        if (index < 0)
        {
            _acts.Add(new ActCounts(act));
            index = _acts.Count - 1;
        }

        return index;
    }

    private void FaultLocked(string sentence)
    {
        if (_faults.Count < FaultsMax)
        {
            _faults.Add(sentence);
        }
    }
}

/// <param name="Cold">Answers that waited for a start.</param>
internal sealed record ActCounts(
    string Act, int Sent = 0, int Right = 0, int Cold = 0, int Refused = 0, int Lost = 0, int Wrong = 0, int Late = 0, double SlowestMs = 0)
{
    public ActCounts With(DrillReply reply, Verdict verdict) => this with
    {
        Sent = Sent + 1,
        Right = Right + (verdict == Verdict.Right ? 1 : 0),
        Cold = Cold + (reply.Trace?.Kind == "cold" ? 1 : 0),
        Refused = Refused + (verdict == Verdict.Refused ? 1 : 0),
        Lost = Lost + (verdict == Verdict.Lost ? 1 : 0),
        Wrong = Wrong + (verdict == Verdict.Wrong ? 1 : 0),
        Late = Late + (verdict == Verdict.Late ? 1 : 0),
        SlowestMs = Math.Max(SlowestMs, reply.Elapsed.TotalMilliseconds),
    };

    public static ActCounts Sum(IEnumerable<ActCounts> acts) => acts.Aggregate(new ActCounts("all"), (sum, act) => sum with
    {
        Sent = sum.Sent + act.Sent,
        Right = sum.Right + act.Right,
        Cold = sum.Cold + act.Cold,
        Refused = sum.Refused + act.Refused,
        Lost = sum.Lost + act.Lost,
        Wrong = sum.Wrong + act.Wrong,
        Late = sum.Late + act.Late,
        SlowestMs = Math.Max(sum.SlowestMs, act.SlowestMs),
    });
}

/// <param name="Invocations">Invocation id of every answer that had one, refusals too.</param>
/// <param name="Ran">Those that an instance answered well: each must have its receipt.</param>
/// <param name="Unknown">Calls that ended without an id: each may have left one receipt that nobody knows.</param>
internal sealed record AnsweredCalls(ImmutableArray<string> Invocations, ImmutableArray<string> Ran, int Unknown);
