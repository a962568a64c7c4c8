using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Gateway;

/// <summary>What a caller says of one invocation: until when its answer is of use, and how urgent it is.</summary>
/// <param name="Within">From the request's arrival on; null = any time.</param>
internal readonly record struct CallerTerms(TimeSpan? Within, QueuePriority Priority)
{
    /// <summary>Longer ones are taken for this: nothing waits or runs longer.</summary>
    private static readonly TimeSpan WithinMax = TimeSpan.FromDays(2);

    private const string DeadlineForms = "a duration from now such as 500ms or 2s, or a time such as 2027-01-31T09:30:00Z";

    public static readonly CallerTerms None = new(null, QueuePriority.Normal);

    private static readonly (string Name, QueuePriority Priority)[] Priorities =
        [("high", QueuePriority.High), ("normal", QueuePriority.Normal), ("low", QueuePriority.Low)];

    /// <summary>As the header says it.</summary>
    public string PriorityName
    {
        get
        {
            var priority = Priority;
            return Array.Find(Priorities, p => p.Priority == priority).Name;
        }
    }

    private delegate bool Reader(string text, DateTimeOffset now, out TimeSpan within);

    /// <summary>Reads them from headers, which with gRPC are the call's metadata. Where several deadlines are given the earliest counts.</summary>
    /// <param name="now">The time of arrival.</param>
    /// <param name="problem">Names the header, its value and what is allowed.</param>
    public static bool TryRead(IHeaderDictionary headers, DateTimeOffset now, out CallerTerms terms, [NotNullWhen(false)] out Problem? problem)
    {
        terms = None;
        if (!TryShorten(headers, DormouseHeaders.Deadline, TryReadDeadline, DeadlineForms, now, ref terms, out problem)
            || !TryShorten(headers, DormouseHeaders.RequestTimeout, TryReadSeconds, "a number of seconds such as 2 or 0.5", now, ref terms, out problem)
            || !TryShorten(headers, "grpc-timeout", TryReadGrpc, "up to eight digits and one of H, M, S, m, u, n, such as 500m", now, ref terms, out problem))
        {
            return false;
        }

        if (Value(headers, DormouseHeaders.Priority) is { } wanted)
        {
            var known = Array.Find(Priorities, p => p.Name.Equals(wanted, StringComparison.OrdinalIgnoreCase));
            if (known.Name is null)
            {
                problem = Wrong(DormouseHeaders.Priority, wanted, "high, normal or low");
                return false;
            }

            terms = terms with { Priority = known.Priority };
        }

        return true;
    }

    private static bool TryShorten(
        IHeaderDictionary headers, string name, Reader reader, string allowed, DateTimeOffset now, ref CallerTerms terms, [NotNullWhen(false)] out Problem? problem)
    {
        problem = null;
        if (Value(headers, name) is not { } text)
        {
            return true;
        }

        if (!reader(text, now, out var within))
        {
            problem = Wrong(name, text, allowed);
            return false;
        }

        within = within < WithinMax ? within : WithinMax;
        terms = terms with { Within = terms.Within is { } known && known < within ? known : within };
        return true;
    }

    private static string? Value(IHeaderDictionary headers, string name) => headers.TryGetValue(name, out var values) ? values.ToString() : null;

    private static bool TryReadDeadline(string text, DateTimeOffset now, out TimeSpan within)
    {
        if (Durations.TryParse(text, out within))
        {
            return true;
        }

        // A time without a zone would mean another moment on every machine.
        var clock = text.IndexOf('T', StringComparison.OrdinalIgnoreCase);
        var hasZone = clock > 0 && (text[^1] is 'Z' or 'z' || text.LastIndexOfAny(['+', '-']) > clock);
        var isTime = DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out var at) && hasZone;
        within = isTime ? at - now : TimeSpan.Zero;
        return isTime;
    }

    private static bool TryReadSeconds(string text, DateTimeOffset now, out TimeSpan within)
    {
        var isNumber = decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds);
        within = TimeSpan.FromSeconds((double)Math.Min(seconds, (decimal)WithinMax.TotalSeconds));
        return isNumber;
    }

    private static bool TryReadGrpc(string text, DateTimeOffset now, out TimeSpan within)
    {
        double? unit = text.Length is < 2 or > 9 ? null : text[^1] switch
        {
            'H' => TimeSpan.TicksPerHour,
            'M' => TimeSpan.TicksPerMinute,
            'S' => TimeSpan.TicksPerSecond,
            'm' => TimeSpan.TicksPerMillisecond,
            'u' => TimeSpan.TicksPerMicrosecond,
            'n' => TimeSpan.TicksPerMicrosecond / 1000.0,
            _ => null,
        };
        within = TimeSpan.Zero;
        if (unit is not { } ticks || !int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return false;
        }

        within = new TimeSpan((long)Math.Min(number * ticks, WithinMax.Ticks));
        return true;
    }

    private static Problem Wrong(string header, string value, string allowed) =>
        new(ProblemCode.RequestInvalid, $"Header {header} is '{(value.Length <= 80 ? value : string.Concat(value.AsSpan(0, 80), "…"))}'; allowed is {allowed}.");
}
