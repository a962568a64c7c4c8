using System.Globalization;

namespace Dormouse.Drivers.Instances;

/// <summary>Reads how much memory a process has for itself.</summary>
internal static class ProcessMemory
{
    /// <summary>Anonymous bytes that no other process shares: what would come back if the process ended. Mapped model files are not counted, nor what a fork has not written to. Null when it is gone.</summary>
    public static long? PrivateBytes(int processId)
    {
        try
        {
            long anonymous = 0, unshared = 0;
            foreach (var line in File.ReadLines($"/proc/{processId}/smaps_rollup"))
            {
                // Anonymous:          1234 kB
                anonymous += Bytes(line, "Anonymous:");
                unshared += Bytes(line, "Private_Clean:") + Bytes(line, "Private_Dirty:");
            }

            // Private pages of files make the second larger, shared anonymous pages the first.
            return Math.Min(anonymous, unshared);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null; // It has just ended.
        }
    }

    private static long Bytes(string line, string key) =>
        line.StartsWith(key, StringComparison.Ordinal) && long.TryParse(line.AsSpan(key.Length).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture, out var kib) ? kib * 1024 : 0;
}
