using System.Collections.Immutable;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>What triggers may read of this machine.</summary>
internal sealed record TriggersSettings
{
    /// <summary>Absolute paths of folders below which a folder may be watched. Default none: endpoints' owners are not the machine's.</summary>
    public required ImmutableArray<string> Folders { get; init; }

    public static TriggersSettings Read(SettingsReader reader) => new()
    {
        Folders = ReadFolders(reader, "triggers.folders"),
    };

    /// <summary>Folders of this machine that an operator opens to endpoints' owners; none unless some are named.</summary>
    public static ImmutableArray<string> ReadFolders(SettingsReader reader, string key) =>
        reader.Parse<ImmutableArray<string>>(key, [], Paths, "absolute paths of folders with commas between them, such as /srv/inbox, /srv/scans");

    private static ImmutableArray<string>? Paths(string text)
    {
        var paths = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return paths.All(Path.IsPathFullyQualified) ? [.. paths.Select(p => Path.TrimEndingDirectorySeparator(Path.GetFullPath(p)))] : null;
    }
}
