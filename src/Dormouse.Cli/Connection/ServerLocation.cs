using System.Text.Json;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Connection;

/// <summary>Which server a command talks to, with which key, and how that was found (for <c>doctor</c>).</summary>
internal sealed record ServerLocation(Uri Address, string AddressFrom, string? Key, string KeyFrom)
{
    public static readonly Uri DefaultAddress = new("http://127.0.0.1:8080");

    /// <param name="server">Value of <c>--server</c>, or null.</param>
    /// <param name="key">Value of <c>--key</c>, or null.</param>
    public static ServerLocation Find(Surroundings surroundings, string? server, string? key)
    {
        var (address, addressFrom) = FindAddress(surroundings, server);
        var (found, keyFrom) = FindKey(surroundings, key, address);
        return new ServerLocation(address, addressFrom, found, keyFrom);
    }

    public static Uri ParseAddress(string text, string origin) =>
        Uri.TryCreate(text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : throw CommandException.Usage($"{origin} is '{text}', which is no address. Write it like http://127.0.0.1:8080.");

    /// <summary>Null when there is no such file or it cannot be read.</summary>
    public static ServerAddresses? ReadAddresses(string dataFolder)
    {
        try
        {
            using var file = File.OpenRead(DataFolder.AddressesFile(dataFolder));
            return JsonSerializer.Deserialize(file, ControlJson.Default.ServerAddresses);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException or JsonException)
        {
            // Absent, another user's, or half-written by a server that starts right now: the default address is as good a guess.
            return null;
        }
    }

    public static string? ReadKey(string dataFolder)
    {
        try
        {
            return File.ReadAllText(DataFolder.KeyFile(dataFolder)).Trim() is { Length: > 0 } key ? key : null;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static (Uri Address, string From) FindAddress(Surroundings surroundings, string? server)
    {
        if (server is not null)
        {
            return (ParseAddress(server, "--server"), "--server");
        }

        if (surroundings.Setting("DORMOUSE_SERVER") is { } variable)
        {
            return (ParseAddress(variable, "DORMOUSE_SERVER"), "DORMOUSE_SERVER");
        }

        var folder = DataFolder.Default(surroundings);
        return ReadAddresses(folder) is { } addresses
            ? (ParseAddress(addresses.Http, DataFolder.AddressesFile(folder)), DataFolder.AddressesFile(folder))
            : (DefaultAddress, "default");
    }

    private static (string? Key, string From) FindKey(Surroundings surroundings, string? key, Uri address)
    {
        if (key is not null)
        {
            return (Sendable(key, "--key"), "--key");
        }

        if (surroundings.Setting("DORMOUSE_API_KEY") is { } variable)
        {
            return (Sendable(variable, "DORMOUSE_API_KEY"), "DORMOUSE_API_KEY");
        }

        // The administrator's key of this machine's server must not travel to another machine.
        if (!address.IsLoopback)
        {
            return (null, "none");
        }

        var folder = DataFolder.Default(surroundings);
        return ReadKey(folder) is { } local ? (local, DataFolder.KeyFile(folder)) : (null, "none");
    }

    /// <summary>Said here, because HTTP has no other text in a header; the key itself is not shown.</summary>
    private static string Sendable(string key, string origin) => key.AsSpan().ContainsAnyExceptInRange('!', '~')
        ? throw CommandException.Usage($"{origin} is no key: it holds a blank, a line break or a character beyond ASCII, and no key does. Copy it again.")
        : key;
}
