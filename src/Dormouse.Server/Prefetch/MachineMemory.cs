using System.Globalization;

namespace Dormouse.Server.Prefetch;

/// <summary>Memory of the machine: what the kernel could give without swapping, and all of it.</summary>
internal readonly record struct MachineMemory(long AvailableBytes, long TotalBytes)
{
    /// <summary>Nothing is available where the kernel does not say.</summary>
    public static MachineMemory Read()
    {
        try
        {
            var (available, total) = (0L, 0L);
            foreach (var line in File.ReadLines("/proc/meminfo"))
            {
                available = Bytes(line, "MemAvailable:") ?? available;
                total = Bytes(line, "MemTotal:") ?? total;
            }

            return new MachineMemory(available, total);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }

    private static long? Bytes(string line, string key) =>
        line.StartsWith(key, StringComparison.Ordinal) && long.TryParse(line.AsSpan(key.Length).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture, out var kib) ? kib * 1024 : null;
}
