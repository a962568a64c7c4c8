using System.Globalization;

namespace Dormouse.Drivers.Instances;

/// <summary>Reads how much memory a process has for itself.</summary>
internal static class ProcessMemory
{
    private const string Key = "Anonymous:";

    /// <summary>Anonymous bytes: what would come back if the process ended; mapped model files are shared and not counted. Null when it is gone.</summary>
    public static long? PrivateBytes(int processId)
    {
        try
        {
            foreach (var line in File.ReadLines($"/proc/{processId}/smaps_rollup"))
            {
                // Anonymous:          1234 kB
                if (line.StartsWith(Key, StringComparison.Ordinal)
                    && long.TryParse(line.AsSpan(Key.Length).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture, out var kib))
                    return kib * 1024;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null; // It has just ended.
        }

        return null;
    }
}
