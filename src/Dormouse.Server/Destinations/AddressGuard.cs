using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Destinations;

/// <summary>Looks a host up; a test puts its own in the place of the system's.</summary>
internal delegate Task<IPAddress[]> HostLookup(string host, CancellationToken cancellationToken);

/// <summary>A host that has no address that may be sent to.</summary>
internal sealed class ForbiddenAddressException(string message) : IOException(message);

/// <summary>
/// Keeps what users name from reaching what only this machine can reach: loopback, private and link-local networks (where clouds keep their metadata), unspecified, multicast and
/// reserved addresses. The address that was looked at is the one that is connected to: a name that means something else a moment later gains nothing.
/// </summary>
internal sealed class AddressGuard(DestinationsSettings settings, HostLookup lookup)
{
    /// <summary>IANA's special-purpose registry (RFC 6890 and what was added), and multicast.</summary>
    private static readonly ImmutableArray<IPNetwork> Special =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        }.Select(IPNetwork.Parse),
    ];

    /// <summary>All that is routed on the public internet; everything else of IPv6 is local, translated or unassigned.</summary>
    private static readonly IPNetwork GlobalUnicast = IPNetwork.Parse("2000::/3");

    /// <summary>May this address be sent to? An IPv4 address in IPv6's clothes is looked at without them.</summary>
    public bool Allows(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return settings.AllowNetworks.Any(n => n.Contains(plain))
            || ((plain.AddressFamily == AddressFamily.InterNetwork || GlobalUnicast.Contains(plain)) && !Special.Any(n => n.Contains(plain)));
    }

    /// <summary>What is wrong with an address to send to; null = nothing that can be seen without looking up its host.</summary>
    public string? Refusal(string text)
    {
        if (text.Length > Core.Destinations.Destination.UrlLengthMax || !Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
        {
            return $"an http:// or https:// address of at most {Core.Destinations.Destination.UrlLengthMax} characters, such as https://hooks.example.com/dormouse";
        }

        if (url.UserInfo.Length > 0 || url.Fragment.Length > 0)
        {
            return "an address without a user and without a fragment";
        }

        return IPAddress.TryParse(url.IdnHost, out var address) && !Allows(address)
            ? "an address of the public internet, or of a network that the operator allows (destinations.allow_networks)"
            : null;
    }

    /// <summary>Connects to the first address of the host that may be sent to and answers.</summary>
    /// <exception cref="ForbiddenAddressException">It has none that may be sent to.</exception>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var host = context.DnsEndPoint.Host;
        var allowed = Array.FindAll(await lookup(host, cancellationToken), Allows);
        if (allowed.Length == 0)
        {
            throw new ForbiddenAddressException($"'{host}' has no address that may be sent to: private, local and reserved ones need the operator's word (destinations.allow_networks)");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(allowed, context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
