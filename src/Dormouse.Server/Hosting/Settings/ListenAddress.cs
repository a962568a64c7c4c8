using System.Globalization;
using System.Net;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>An address to listen on, <c>http://host:port</c> or <c>https://host:port</c>.</summary>
/// <param name="Address">Null = the name <c>localhost</c>: loopback on IPv4 and IPv6.</param>
/// <param name="Port">0 = a free one, chosen by the system.</param>
/// <param name="IsTls">Encrypted, with the server's certificate.</param>
internal sealed record ListenAddress(IPAddress? Address, int Port, bool IsTls = false)
{
    public const string Allowed = "http://HOST:PORT or https://HOST:PORT with an IP address, 'localhost' or '*' as host (port 0 takes a free one)";

    public string Scheme => IsTls ? Uri.UriSchemeHttps : Uri.UriSchemeHttp;

    /// <summary>Host as it is written in an address that a program on this machine can call.</summary>
    public string CallableHost => Address switch
    {
        null => "localhost",
        _ when Address.Equals(IPAddress.Any) => "127.0.0.1",
        _ when Address.Equals(IPAddress.IPv6Any) => "[::1]",
        { AddressFamily: System.Net.Sockets.AddressFamily.InterNetworkV6 } => $"[{Address}]",
        _ => Address.ToString(),
    };

    /// <summary>Null when <paramref name="text"/> is not allowed. The scheme may be left out, and is http then.</summary>
    public static ListenAddress? Parse(string text)
    {
        const string plain = "http://", encrypted = "https://";
        var isTls = text.StartsWith(encrypted, StringComparison.OrdinalIgnoreCase);
        var rest = isTls ? text[encrypted.Length..] : text.StartsWith(plain, StringComparison.OrdinalIgnoreCase) ? text[plain.Length..] : text;
        rest = rest.TrimEnd('/');
        var colon = rest.LastIndexOf(':');
        if (rest.Contains('/', StringComparison.Ordinal) || colon < 0
            || !int.TryParse(rest.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port > 65535)
        {
            return null;
        }

        var host = rest[..colon];
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
        {
            return new ListenAddress(null, port, isTls);
        }

        if (host is "*" or "+")
        {
            return new ListenAddress(IPAddress.Any, port, isTls);
        }

        if (host.StartsWith('[') != host.EndsWith(']') || (host.Contains(':', StringComparison.Ordinal) && !host.StartsWith('[')))
        {
            return null;
        }

        return IPAddress.TryParse(host.Trim('[', ']'), out var address) && host.Length > 0 ? new ListenAddress(address, port, isTls) : null;
    }

    public override string ToString() => $"{Scheme}://{(Address is null ? "localhost" : Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{Address}]" : Address.ToString())}:{Port}";
}
