using System.Collections.Immutable;
using System.Globalization;

namespace Dormouse.Core.Destinations;

/// <summary>How an attempt to deliver ended.</summary>
public abstract record DeliveryResult
{
    private DeliveryResult()
    {
    }

    /// <summary>The other side answered.</summary>
    public sealed record Answered(int Status, TimeSpan? RetryAfter) : DeliveryResult;

    /// <summary>A broker has it.</summary>
    public sealed record Taken : DeliveryResult;

    /// <summary>It did not get there: no connection, no answer in time, or no room in the other endpoint's queue.</summary>
    /// <param name="NotBefore">No earlier than so much later; null = as the schedule says.</param>
    public sealed record Unanswered(string Reason, TimeSpan? NotBefore = null) : DeliveryResult;

    /// <summary>It cannot get there until somebody changes something: a forbidden address, a destination that is gone, a loop.</summary>
    public sealed record Impossible(string Reason) : DeliveryResult;
}

/// <summary>What follows from an attempt to deliver.</summary>
public abstract record DeliveryVerdict
{
    private DeliveryVerdict()
    {
    }

    public sealed record Delivered(int? Status) : DeliveryVerdict;

    public sealed record Again(DateTimeOffset NotBefore, int? Status, string Reason) : DeliveryVerdict;

    /// <param name="Disables">Nothing is to be sent to the destination any more.</param>
    public sealed record Dead(int? Status, string Reason, bool Disables = false) : DeliveryVerdict;
}

/// <summary>Decides what follows from an attempt to deliver.</summary>
public static class DeliveryRule
{
    /// <summary>An outcome that went through so many endpoints goes no further: they form a loop.</summary>
    public const int HopsMax = 8;

    /// <summary>No wish of a destination to be asked later goes beyond this.</summary>
    public static readonly TimeSpan RetryAfterMax = TimeSpan.FromHours(24);

    /// <summary>Pauses before the second and each further attempt, before jitter: those that Standard Webhooks propose.</summary>
    public static readonly ImmutableArray<TimeSpan> Schedule =
    [
        TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2), TimeSpan.FromHours(5),
        TimeSpan.FromHours(10), TimeSpan.FromHours(14), TimeSpan.FromHours(20), TimeSpan.FromHours(24),
    ];

    /// <summary>
    /// 2xx, and what a broker has taken, is done. 410 ends it and the use of its destination. Everything else, redirects too, is tried again by <see cref="Schedule"/> with up to a fifth more, never before the
    /// destination's Retry-After where that came with 429 or 5xx; then it is dead.
    /// </summary>
    /// <param name="attempts">Attempts begun, this one included; from 1.</param>
    /// <param name="random">0 to 1, 1 not included.</param>
    public static DeliveryVerdict Judge(int attempts, DeliveryResult result, DateTimeOffset now, double random)
    {
        switch (result)
        {
            case DeliveryResult.Answered { Status: >= 200 and < 300 } done:
                return new DeliveryVerdict.Delivered(done.Status);
            case DeliveryResult.Taken:
                return new DeliveryVerdict.Delivered(null);
            case DeliveryResult.Answered { Status: 410 }:
                return new DeliveryVerdict.Dead(410, "the destination answered 410: it wants nothing any more", Disables: true);
            case DeliveryResult.Answered answer:
                var reason = string.Create(
                    CultureInfo.InvariantCulture, $"the destination answered {answer.Status}{(answer.Status is >= 300 and < 400 ? ", a redirect, which is not followed" : "")}");
                return Later(attempts, answer.Status, reason, answer.Status is 429 or >= 500 ? answer.RetryAfter : null, now, random);
            case DeliveryResult.Unanswered lost:
                return Later(attempts, null, lost.Reason, lost.NotBefore, now, random);
            case DeliveryResult.Impossible impossible:
                return new DeliveryVerdict.Dead(null, impossible.Reason);
            default:
                throw new InvalidOperationException("An attempt is answered, taken, unanswered or impossible.");
        }
    }

    private static DeliveryVerdict Later(int attempts, int? status, string reason, TimeSpan? notBefore, DateTimeOffset now, double random)
    {
        if (attempts > Schedule.Length)
        {
            return new DeliveryVerdict.Dead(status, string.Create(CultureInfo.InvariantCulture, $"{reason} (attempt {attempts} of {Schedule.Length + 1})"));
        }

        var pause = Schedule[attempts - 1] * (1 + (random / 5));
        var wish = notBefore > RetryAfterMax ? RetryAfterMax : notBefore;
        return new DeliveryVerdict.Again(now + (wish > pause ? wish.Value : pause), status, reason);
    }
}
