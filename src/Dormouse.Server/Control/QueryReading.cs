using System.Globalization;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;

namespace Dormouse.Server.Control;

/// <summary>Reads query values; each answers null after it has written <c>request_invalid</c>.</summary>
internal static class QueryReading
{
    public static async Task<int?> NumberAsync(this ControlCall call, string name, int fallback, int min, int max)
    {
        if (call.Query(name) is not { } text)
        {
            return fallback;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max)
        {
            return number;
        }

        await RefuseAsync(call, $"'{name}' must be a whole number from {min} to {max}.");
        return null;
    }

    public static async Task<bool?> FlagAsync(this ControlCall call, string name, bool fallback)
    {
        switch (call.Query(name))
        {
            case null:
                return fallback;
            case "true":
                return true;
            case "false":
                return false;
            default:
                await RefuseAsync(call, $"'{name}' must be true or false.");
                return null;
        }
    }

    /// <summary>RFC 3339 date-time, or a date (its midnight in UTC).</summary>
    public static async Task<DateTimeOffset?> TimeAsync(this ControlCall call, string name, DateTimeOffset fallback)
    {
        if (call.Query(name) is not { } text)
        {
            return fallback;
        }

        // A '+' of the offset that was not escaped arrives as a blank.
        if (DateTimeOffset.TryParse(
            text.Replace(' ', '+'), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time))
        {
            return time;
        }

        await RefuseAsync(call, $"'{name}' must be a time such as 2026-11-24T13:00:00Z or 2026-11-24.");
        return null;
    }

    /// <summary>One of an enumeration's words. False: it is none of them, and the answer is written.</summary>
    public static async Task<(bool IsRead, T? Value)> WordAsync<T>(this ControlCall call, string name, Func<T, string> word)
        where T : struct, Enum
    {
        if (call.Query(name) is not { } text)
        {
            return (true, null);
        }

        foreach (var value in Enum.GetValues<T>())
        {
            if (word(value) == text)
            {
                return (true, value);
            }
        }

        await RefuseAsync(call, $"'{name}' must be one of {string.Join(", ", Enum.GetValues<T>().Select(word))}.");
        return (false, null);
    }

    /// <summary>The position behind which a page begins; null = at the first. False: it is none, and the answer is written.</summary>
    public static async Task<(bool IsRead, long? Value)> PositionAsync(this ControlCall call)
    {
        if (call.Query("page_token") is not { } token)
        {
            return (true, null);
        }

        if (long.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out var position))
        {
            return (true, position);
        }

        await RefuseAsync(call, "'page_token' must be the next_page_token of the page before.");
        return (false, null);
    }

    public static Task RefuseAsync(this ControlCall call, string detail) => Problems.WriteAsync(call.Http, ProblemCode.RequestInvalid, detail);
}
