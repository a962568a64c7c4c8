using System.Globalization;

namespace Dormouse.Server.Gateway;

/// <summary>Reads the headers that only travel between an instance and the gateway.</summary>
internal static class InstanceHeaders
{
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
