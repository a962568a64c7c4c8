namespace Dormouse.Core.Overflow;

/// <summary>Whether an overflow address may be asked.</summary>
public enum OverflowState
{
    /// <summary>It is asked.</summary>
    Closed,

    /// <summary>It failed again and again: it is left alone for a while.</summary>
    Open,

    /// <summary>One invocation tries whether it answers again.</summary>
    Probing,
}

/// <summary>
/// The health of an overflow address as a value: <see cref="FailuresMax"/> failures in a row leave it alone for 5 s; then one invocation probes it, and each failed probe doubles the
/// time, to 60 s at most. One success makes it healthy.
/// </summary>
/// <param name="Failures">In a row.</param>
/// <param name="Until">When it may be probed; of meaning in <see cref="OverflowState.Open"/> only.</param>
public readonly record struct OverflowHealth(OverflowState State, int Failures, MonotonicTime Until)
{
    /// <summary>Failures in a row that open it.</summary>
    public const int FailuresMax = 3;

    public static readonly TimeSpan OpenLeast = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan OpenMost = TimeSpan.FromSeconds(60);

    /// <summary>Nothing is known against it.</summary>
    public static readonly OverflowHealth Fine = new(OverflowState.Closed, 0, default);

    /// <summary>An invocation may be sent now.</summary>
    public bool MayTry(MonotonicTime now) => State == OverflowState.Closed || (State == OverflowState.Open && now >= Until);

    /// <summary>An invocation is sent. Only when <see cref="MayTry"/> says so.</summary>
    public OverflowHealth Sent() => State == OverflowState.Open ? this with { State = OverflowState.Probing } : this;

    /// <summary>It answered.</summary>
    public static OverflowHealth Answered() => Fine;

    /// <summary>It could not be reached, did not answer in time, or said that it has no room.</summary>
    public OverflowHealth Failed(MonotonicTime now)
    {
        var failures = Math.Min(Failures + 1, 64);
        return State switch
        {
            // Sent before it was opened: says nothing new.
            OverflowState.Open => this,
            OverflowState.Closed when failures < FailuresMax => this with { Failures = failures },
            _ => new OverflowHealth(OverflowState.Open, failures, now + OpenTime(failures)),
        };
    }

    /// <summary>What was sent ended without a word on its health: the caller left. A probe may be tried again at once.</summary>
    public OverflowHealth Unknown(MonotonicTime now) => State == OverflowState.Probing ? this with { State = OverflowState.Open, Until = now } : this;

    private static TimeSpan OpenTime(int failures)
    {
        var time = OpenLeast * Math.Pow(2, Math.Min(failures - FailuresMax, 10));
        return time < OpenMost ? time : OpenMost;
    }
}
