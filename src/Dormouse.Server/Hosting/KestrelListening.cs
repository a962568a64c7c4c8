using System.Buffers;
using System.Net.Sockets;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Transport;
using Dormouse.Server.Hosting.Connections;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Hosting.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Hosting;

/// <summary>Listens on the two addresses, and says in plain words why one cannot be had.</summary>
internal static class KestrelListening
{
    public static void Use(IWebHostBuilder host, HostingSettings settings) => host.UseKestrelCore().UseSockets(static transport =>
    {
        // The same reason as in EventThreads.
        transport.UnsafePreferInlineScheduling = true;
    }).ConfigureServices(services =>
    {
        services.AddSingleton<IMemoryPoolFactory<byte>, BlockFactory>();
        services.AddSingleton(ConnectionBounds.From(settings, ConnectionBounds.OpenFilesMax()));
        services.AddSingleton<ConnectionGate>();
        // The last one registered is asked first.
        services.AddSingleton<SocketTransportFactory>();
        services.AddSingleton<IConnectionListenerFactory, BoundedTransport>();
    }).ConfigureKestrel(kestrel =>
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = settings.BodyLimitBytes;
        var certificate = settings.Listen.IsTls || settings.GrpcListen.IsTls ? ServerCertificate.Open(settings, kestrel.ApplicationServices) : null;
        Listen(kestrel, settings.Listen, settings.Listen.IsTls ? HttpProtocols.Http1AndHttp2 : HttpProtocols.Http1, certificate);
        if (!settings.SharesPort)
        {
            Listen(kestrel, settings.GrpcListen, HttpProtocols.Http2, certificate);
        }
    });

    /// <summary>The addresses that programs on this machine call, in the order in which <see cref="Use"/> listened.</summary>
    public static ServerAddresses Addresses(IServiceProvider services, HostingSettings settings)
    {
        // Not null: Kestrel sets the feature when it starts.
        var bound = services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(a => new Uri(a).Port).ToArray();
        return new ServerAddresses(
            $"{settings.Listen.Scheme}://{settings.Listen.CallableHost}:{bound[0]}", $"{settings.GrpcListen.Scheme}://{settings.GrpcListen.CallableHost}:{bound[^1]}", Environment.ProcessId, ServerVersion.Text);
    }

    /// <summary>Null when the fault is not about an address.</summary>
    public static ServerStartException? Explain(Exception fault, HostingSettings settings)
    {
        if (fault is IOException && fault.InnerException is AddressInUseException inUse)
        {
            var address = Named(fault.Message, settings);
            return new ServerStartException(
                ServerStartFailure.Address,
                $"{address} is in use by another program. Stop that one, or choose another address with {Option(address, settings)}, such as {Option(address, settings)} http://127.0.0.1:0 for a free port.",
                inUse);
        }

        var socket = fault as SocketException ?? fault.InnerException as SocketException ?? fault.InnerException?.InnerException as SocketException;
        return socket?.SocketErrorCode switch
        {
            SocketError.AccessDenied => Cannot("may not be listened on by this user (ports under 1024 need a privilege)"),
            SocketError.AddressNotAvailable => Cannot("is no address of this machine"),
            SocketError.AddressAlreadyInUse => Cannot("is in use by another program"),
            _ => null,
        };

        ServerStartException Cannot(string why) => new(
            ServerStartFailure.Address, $"{settings.Listen} or {settings.GrpcListen} {why}. Choose others with --listen and --grpc-listen.", fault);
    }

    private static void Listen(KestrelServerOptions kestrel, ListenAddress address, HttpProtocols protocols, ServerCertificate? certificate)
    {
        void Configure(ListenOptions options)
        {
            options.Protocols = protocols;
            if (address.IsTls)
            {
                options.UseHttps(certificate!.Handshake); // Not null: it is opened where an address is https.
            }
        }

        if (address.Address is { } ip)
        {
            kestrel.Listen(ip, address.Port, Configure);
        }
        else if (address.Port == 0)
        {
            // A free port cannot be the same one on IPv4 and IPv6 for sure.
            kestrel.Listen(System.Net.IPAddress.Loopback, 0, Configure);
        }
        else
        {
            kestrel.ListenLocalhost(address.Port, Configure);
        }
    }

    private static ListenAddress Named(string message, HostingSettings settings) =>
        message.Contains($":{settings.Listen.Port}:", StringComparison.Ordinal) || message.Contains($":{settings.Listen.Port} ", StringComparison.Ordinal)
            || message.EndsWith($":{settings.Listen.Port}", StringComparison.Ordinal)
            ? settings.Listen
            : settings.GrpcListen;

    private static string Option(ListenAddress address, HostingSettings settings) => address == settings.Listen ? "--listen" : "--grpc-listen";

    private sealed class BlockFactory : IMemoryPoolFactory<byte>
    {
        public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new LargeBlocks();
    }
}
