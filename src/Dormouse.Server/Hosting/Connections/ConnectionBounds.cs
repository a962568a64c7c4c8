using System.Globalization;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Hosting.Connections;

/// <summary>How many callers may be connected at once, HTTP and gRPC together.</summary>
/// <param name="Total">All of them.</param>
/// <param name="PerAddress">From one address that is not this machine's own.</param>
internal sealed record ConnectionBounds(int Total, int PerAddress)
{
    /// <summary>More are not useful on one machine: each costs some tens of kilobytes.</summary>
    public const int DefaultMax = 20_000;

    /// <summary>Files that the server needs for itself: journal, database, blobs, the launcher, sockets to instances, libraries.</summary>
    public const int FilesReserved = 512;

    /// <summary>A connection and what its request may need beside it: a connection to an instance, a spooled body or an upload.</summary>
    public const int FilesEach = 2;

    private const string LimitsFile = "/proc/self/limits";
    private const string OpenFilesRow = "Max open files";

    /// <summary>What every Unix gives when nothing else is known.</summary>
    private const int OpenFilesUnknown = 1024;

    /// <param name="openFilesMax">Files that this process may have open.</param>
    public static ConnectionBounds From(HostingSettings settings, int openFilesMax)
    {
        var room = Room(openFilesMax);
        var total = Math.Min(settings.ConnectionsMax ?? Math.Min(room, DefaultMax), room);
        return new ConnectionBounds(total, Math.Min(settings.ConnectionsPerAddressMax ?? Math.Max(1, total / 4), total));
    }

    /// <summary>Connections that so many files are enough for.</summary>
    public static int Room(int openFilesMax) =>
        // With a very low limit half of it is better than a server that takes nobody.
        Math.Max((openFilesMax - FilesReserved) / FilesEach, Math.Max(1, openFilesMax / 4));

    /// <summary>Files that this process may have open. The runtime has raised its own (soft) limit to the hard one before the program began.</summary>
    public static int OpenFilesMax() => File.Exists(LimitsFile) ? OpenFilesMax(File.ReadLines(LimitsFile)) : OpenFilesUnknown;

    internal static int OpenFilesMax(IEnumerable<string> limits)
    {
        // "Max open files            20000                20000                files", soft before hard.
        var row = limits.FirstOrDefault(l => l.StartsWith(OpenFilesRow, StringComparison.Ordinal));
        var soft = row?[OpenFilesRow.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return soft == "unlimited" ? int.MaxValue
            : long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var files) ? (int)Math.Min(files, int.MaxValue)
            : OpenFilesUnknown;
    }
}
