using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Protocol;
using Microsoft.Net.Http.Headers;

namespace Dormouse.Server.Gateway;

/// <summary>The headers that only travel between an instance and the gateway.</summary>
internal static class InstanceHeaders
{
    /// <summary>Never passed on from a caller: his key, and what the gateway itself tells instances.</summary>
    public static readonly ImmutableArray<string> Own =
    [
        HeaderNames.Authorization, DormouseHeaders.Cancel, DormouseHeaders.InvocationId, DormouseHeaders.Deadline, DormouseHeaders.Attempt, DormouseHeaders.ModelName,
        DormouseHeaders.ModelVersion,
    ];

    /// <summary>One of <see cref="Own"/>.</summary>
    public static bool IsOwn(string name)
    {
        foreach (var own in Own)
        {
            if (own.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A header's value in µs; null when it is absent or no such number.</summary>
    public static long? Microseconds(HttpResponseMessage response, string name)
    {
        if (!response.Headers.NonValidated.TryGetValues(name, out var values))
        {
            return null;
        }

        foreach (var value in values)
        {
            return long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds) ? microseconds : null;
        }

        return null;
    }
}
