using System.Net;
using System.Net.Sockets;
using Amazon.Runtime;

namespace Dormouse.Brokers.Aws;

/// <summary>
/// Connections of AWS's clients. Link-local addresses, where clouds answer with the machine's own credentials, are never connected to, whatever a name means: an object that is read from
/// an address of a user's choice comes back to that user. Redirects are not followed.
/// </summary>
internal sealed class AwsHttp : HttpClientFactory
{
    /// <summary>Amazon's metadata service over IPv6, which is no link-local address.</summary>
    private static readonly IPAddress Metadata = IPAddress.Parse("fd00:ec2::254");

    private static readonly IPNetwork LinkLocal = IPNetwork.Parse("169.254.0.0/16");

    public override HttpClient CreateHttpClient(IClientConfig clientConfig)
    {
        ArgumentNullException.ThrowIfNull(clientConfig);
        var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectCallback = ConnectAsync });
        if (clientConfig.Timeout is { } limit)
        {
            client.Timeout = limit;
        }

        return client;
    }

    public static bool IsAllowed(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return !LinkLocal.Contains(plain) && !plain.IsIPv6LinkLocal && !plain.Equals(Metadata);
    }

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var addresses = Array.FindAll(await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancellationToken), IsAllowed);
        if (addresses.Length == 0)
        {
            throw new IOException($"'{context.DnsEndPoint.Host}' has no address that may be asked: link-local ones may not");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
