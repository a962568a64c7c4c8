using System.Globalization;

namespace Dormouse.Core.Queues;

/// <summary>How an attempt ended, as its server saw it.</summary>
public abstract record AttemptResult
{
    private AttemptResult()
    {
    }

    /// <summary>An instance answered.</summary>
    public sealed record Answered(StoredAnswer Answer) : AttemptResult;

    /// <summary>It got no answer of an instance that can be kept.</summary>
    /// <param name="Answer">The problem as the caller would have got it.</param>
    /// <param name="IsRetryable">The same again can succeed without anybody changing anything.</param>
    /// <param name="HasBegun">An instance had it, or would have had to start for it; else it only found no slot.</param>
    /// <param name="Reason">Code and sentence.</param>
    public sealed record Unanswered(StoredAnswer Answer, bool IsRetryable, bool HasBegun, TimeSpan? RetryAfter, string Reason) : AttemptResult;
}

/// <summary>Decides what follows from an attempt: an answer to keep, another attempt and when, or a dead letter.</summary>
public static class AttemptRule
{
    /// <summary>Pause before the second attempt, at most.</summary>
    public static readonly TimeSpan DelayFirst = TimeSpan.FromSeconds(1);

    /// <summary>No pause between attempts is longer.</summary>
    public static readonly TimeSpan DelayMax = TimeSpan.FromMinutes(5);

    /// <summary>Shortest pause of an item that found no slot; such attempts do not count.</summary>
    public static readonly TimeSpan NoSlotDelay = TimeSpan.FromSeconds(1);

    /// <summary>
    /// An answer below 400 is kept. 408, 425, 429 and 5xx get another attempt after <see cref="Delay"/> while <paramref name="item"/> has some left; other 4xx are kept at once as
    /// failed. What found no slot goes back without having used up an attempt: only its time to live bounds that.
    /// </summary>
    /// <param name="item">Leased; its attempts include this one.</param>
    /// <param name="random">0 to 1, 1 not included.</param>
    public static QueueVerdict Judge(QueueItem item, AttemptResult result, DateTimeOffset now, double random)
    {
        switch (result)
        {
            case AttemptResult.Answered { Answer: { Status: < 400 } answer }:
                return new QueueVerdict.Finished(QueueState.Succeeded, answer, null);
            case AttemptResult.Answered { Answer: var answer }:
                var reason = string.Create(CultureInfo.InvariantCulture, $"the instance answered {answer.Status}");
                return IsWorthAnother(answer.Status)
                    ? AnotherOrDead(item, answer, reason, now, random)
                    : new QueueVerdict.Finished(QueueState.Failed, answer, reason);
            case AttemptResult.Unanswered { IsRetryable: true, HasBegun: false } refused:
                var pause = refused.RetryAfter is { } after && after > NoSlotDelay ? after : NoSlotDelay;
                return new QueueVerdict.Again(now + (pause * (1 + random)), Counts: false, refused.Reason);
            case AttemptResult.Unanswered { IsRetryable: true } broken:
                return AnotherOrDead(item, broken.Answer, broken.Reason, now, random);
            case AttemptResult.Unanswered final:
                return new QueueVerdict.Finished(final.Answer.Status < 500 ? QueueState.Failed : QueueState.Dead, final.Answer, final.Reason);
            default:
                throw new InvalidOperationException("An attempt is answered or not.");
        }
    }

    /// <summary>Full jitter: anything from nothing up to 1 s, 2 s, 4 s … doubled with each attempt up to <see cref="DelayMax"/>.</summary>
    /// <param name="attempts">Attempts so far, from 1.</param>
    /// <param name="random">0 to 1, 1 not included.</param>
    /// <remarks>Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015.</remarks>
    public static TimeSpan Delay(int attempts, double random)
    {
        var longest = DelayFirst * Math.Pow(2, Math.Clamp(attempts - 1, 0, 20));
        return (longest < DelayMax ? longest : DelayMax) * random;
    }

    /// <summary>A later attempt may be answered otherwise.</summary>
    public static bool IsWorthAnother(int status) => status is 408 or 425 or 429 or >= 500;

    private static QueueVerdict AnotherOrDead(QueueItem item, StoredAnswer answer, string reason, DateTimeOffset now, double random) =>
        item.Attempts < item.AttemptsMax
            ? new QueueVerdict.Again(now + Delay(item.Attempts, random), Counts: true, reason)
            : new QueueVerdict.Finished(
                QueueState.Dead, answer, string.Create(CultureInfo.InvariantCulture, $"{reason.TrimEnd('.')} (attempt {item.Attempts} of {item.AttemptsMax})"));
}
