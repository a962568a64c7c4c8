using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Destinations;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Queues;

/// <summary>What a caller says of an invocation that is to be queued.</summary>
/// <param name="TimeToLive">From its acceptance on; longer than <paramref name="Delay"/>.</param>
/// <param name="Key">Its idempotency key.</param>
internal sealed record QueueTerms(TimeSpan Delay, TimeSpan TimeToLive, int Attempts, string? Group, string? Key)
{
    /// <summary>Where its success is reported; null = as the endpoint says.</summary>
    public string? OnSuccess { get; init; }

    /// <summary>The same of its failure.</summary>
    public string? OnFailure { get; init; }

    /// <summary>Headers that are for the queue and not for the instance.</summary>
    private static readonly string[] Names =
    [
        DormouseHeaders.Mode, DormouseHeaders.Delay, DormouseHeaders.TimeToLive, DormouseHeaders.Attempts, DormouseHeaders.Group, DormouseHeaders.Priority, DormouseHeaders.Deadline,
        DormouseHeaders.RequestTimeout, DormouseHeaders.Revision, DormouseHeaders.OnSuccess, DormouseHeaders.OnFailure,
    ];

    public static bool IsTerm(string header) => Array.Exists(Names, n => n.Equals(header, StringComparison.OrdinalIgnoreCase));

    /// <summary>Is the invocation to be queued? False with a problem when the header says something else than <c>sync</c> or <c>async</c>.</summary>
    public static bool IsAsked(IHeaderDictionary headers, out Problem? problem)
    {
        problem = null;
        switch (Value(headers, DormouseHeaders.Mode)?.ToLowerInvariant())
        {
            case null or "sync":
                return false;
            case "async":
                return true;
            default:
                problem = Wrong(DormouseHeaders.Mode, Value(headers, DormouseHeaders.Mode)!, "sync or async");
                return false;
        }
    }

    public static bool TryRead(IHeaderDictionary headers, QueuesSettings settings, [NotNullWhen(true)] out QueueTerms? terms, [NotNullWhen(false)] out Problem? problem)
    {
        terms = null;
        var (delay, timeToLive, attempts) = (TimeSpan.Zero, settings.TimeToLive, settings.Attempts);
        const string Longest = Durations.Forms + ", at most 14d";
        if (Value(headers, DormouseHeaders.Delay) is { } delayText && (!Durations.TryParse(delayText, out delay) || delay > QueueLimits.TimeMax))
        {
            problem = Wrong(DormouseHeaders.Delay, delayText, Longest);
            return false;
        }

        var timeText = Value(headers, DormouseHeaders.TimeToLive);
        if (timeText is not null && (!Durations.TryParse(timeText, out timeToLive) || timeToLive <= TimeSpan.Zero || timeToLive > QueueLimits.TimeMax))
        {
            problem = Wrong(DormouseHeaders.TimeToLive, timeText, "more than 0, " + Longest);
            return false;
        }

        if (delay >= timeToLive)
        {
            problem = new Problem(
                ProblemCode.RequestInvalid,
                $"The invocation would wait {Durations.Format(delay)} and live only {Durations.Format(timeToLive)}. Give a {DormouseHeaders.TimeToLive} that is longer than {DormouseHeaders.Delay}.");
            return false;
        }

        if (Value(headers, DormouseHeaders.Attempts) is { } attemptsText
            && (!int.TryParse(attemptsText, NumberStyles.None, CultureInfo.InvariantCulture, out attempts) || attempts is < 1 or > QueueLimits.AttemptsMax))
        {
            problem = Wrong(DormouseHeaders.Attempts, attemptsText, $"a whole number from 1 to {QueueLimits.AttemptsMax}");
            return false;
        }

        if (!TryReadName(headers, DormouseHeaders.Group, QueueLimits.GroupLengthMax, out var group, out problem)
            || !TryReadName(headers, DormouseHeaders.IdempotencyKey, QueueLimits.IdempotencyKeyLengthMax, out var key, out problem)
            || !TryReadTarget(headers, DormouseHeaders.OnSuccess, out var onSuccess, out problem)
            || !TryReadTarget(headers, DormouseHeaders.OnFailure, out var onFailure, out problem))
        {
            return false;
        }

        terms = new QueueTerms(delay, timeToLive, attempts, group, key) { OnSuccess = onSuccess, OnFailure = onFailure };
        return true;
    }

    private static bool TryReadName(IHeaderDictionary headers, string header, int lengthMax, out string? name, [NotNullWhen(false)] out Problem? problem)
    {
        problem = null;
        name = Value(headers, header);
        if (name is null || (name.Length >= 1 && name.Length <= lengthMax && name.All(c => c is >= ' ' and <= '~')))
        {
            return true;
        }

        problem = Wrong(header, name, $"1 to {lengthMax} printable ASCII characters");
        return false;
    }

    private static bool TryReadTarget(IHeaderDictionary headers, string header, out string? target, [NotNullWhen(false)] out Problem? problem)
    {
        problem = null;
        target = Value(headers, header);
        if (target is null || Destination.ReferenceRefusal(target) is null)
        {
            return true;
        }

        problem = Wrong(header, target, DestinationReferences.Form);
        return false;
    }

    private static string? Value(IHeaderDictionary headers, string header) => headers.TryGetValue(header, out var values) ? values.ToString().Trim() : null;

    private static Problem Wrong(string header, string value, string allowed) =>
        new(ProblemCode.RequestInvalid, $"Header {header} is '{UrlText.Shown(value)}'; allowed is {allowed}.");
}
