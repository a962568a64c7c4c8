using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Connection;

/// <summary>Where a server on this machine keeps its files unless told otherwise.</summary>
internal static class DataFolder
{
    /// <summary><c>$DORMOUSE_DATA</c>, else <c>$XDG_DATA_HOME/dormouse</c>, else <c>~/.local/share/dormouse</c>.</summary>
    public static string Default(Surroundings surroundings)
    {
        if (surroundings.Setting("DORMOUSE_DATA") is { } data)
        {
            return Path.GetFullPath(data);
        }

        // The XDG rule: a relative path there is to be ignored.
        if (surroundings.Setting("XDG_DATA_HOME") is { } share && Path.IsPathRooted(share))
        {
            return Path.Combine(share, "dormouse");
        }

        var home = surroundings.Setting("HOME")
            ?? throw CommandException.Usage("Neither DORMOUSE_DATA nor HOME is set: say where the data folder is with DORMOUSE_DATA.");
        return Path.Combine(home, ".local", "share", "dormouse");
    }

    public static string AddressesFile(string folder) => Path.Combine(folder, "server.json");

    public static string KeyFile(string folder) => Path.Combine(folder, "admin-key");
}
