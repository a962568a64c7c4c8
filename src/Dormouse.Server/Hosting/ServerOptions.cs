namespace Dormouse.Server.Hosting;

/// <summary>What the command line (or a test) asks of a server. Null = what the settings file or the environment says, else the default.</summary>
public sealed record ServerOptions
{
    /// <summary>Folder that holds everything the server keeps. Else <c>DORMOUSE_DATA</c>, else the one of <see cref="DefaultDataFolder"/>.</summary>
    public string? DataFolder { get; init; }

    /// <summary>Database: <c>sqlite</c>, or the address of a PostgreSQL database. Else <c>DORMOUSE_STORAGE</c>, else the settings file, else SQLite.</summary>
    public string? Storage { get; init; }

    /// <summary>Address for HTTP/1.1, e.g. <c>http://127.0.0.1:8080</c>; port 0 = a free one. With <c>https</c> HTTP/2 is spoken there as well.</summary>
    public string? Listen { get; init; }

    /// <summary>Address for gRPC (HTTP/2 only). Default: that of <see cref="Listen"/> when it is https, else the next port, a free one when that is 0.</summary>
    public string? GrpcListen { get; init; }

    /// <summary>PEM file with the certificate to show where an address is https, and those that lead to its root.</summary>
    public string? TlsCertificate { get; init; }

    /// <summary>PEM file with the certificate's private key. Default: the same file.</summary>
    public string? TlsKey { get; init; }

    /// <summary>Settings file. Default: <c>server.yaml</c> in the data folder, when there is one.</summary>
    public string? ConfigFile { get; init; }

    /// <summary>Environment to read settings and the administrator's key from; null = the process's own.</summary>
    public IReadOnlyDictionary<string, string>? Environment { get; init; }

    /// <summary>
    /// Where the data is when nobody says otherwise: <c>$XDG_DATA_HOME/dormouse</c>, else <c>~/.local/share/dormouse</c>.
    /// A relative <c>XDG_DATA_HOME</c> is ignored, as its rule asks.
    /// </summary>
    public static string DefaultDataFolder(IReadOnlyDictionary<string, string> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        if (environment.TryGetValue("XDG_DATA_HOME", out var share) && Path.IsPathRooted(share))
        {
            return Path.Combine(share, "dormouse");
        }

        var home = environment.TryGetValue("HOME", out var set) && Path.IsPathRooted(set)
            ? set
            : System.Environment.GetFolderPath(System.Environment.SpecialFolder.UserProfile);
        return Path.Combine(home, ".local", "share", "dormouse");
    }
}
