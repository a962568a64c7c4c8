using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Server.Dispatch;

namespace Dormouse.Server.Gateway;

/// <summary>Pooled HTTP/1.1 connections to the instances' Unix sockets: one handler per instance, thrown away with it.</summary>
internal sealed class InstanceConnections : IDisposable
{
    private readonly ConcurrentDictionary<InstanceId, HttpMessageInvoker> _invokers = new();
    private readonly DispatchEvents _events;

    public InstanceConnections(DispatchEvents events)
    {
        _events = events;
        events.Gone += Drop;
    }

    public HttpMessageInvoker For(in SlotLease lease) =>
        _invokers.TryGetValue(lease.Instance, out var invoker) ? invoker : _invokers.GetOrAdd(lease.Instance, static (_, address) => Open(address), lease.Address);

    /// <summary>The fault of a request that no connection could be made for.</summary>
    public static bool IsUnreachable(Exception? fault) => fault is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError };

    public void Dispose()
    {
        _events.Gone -= Drop;
        foreach (var instance in _invokers.Keys)
        {
            Drop(instance);
        }
    }

    private static HttpMessageInvoker Open(string address)
    {
        var endPoint = new UnixDomainSocketEndPoint(address);
        return new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = System.Net.DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            // As they were read: a caller's header that is not ASCII would otherwise fail here, as if the instance had broken the connection.
            RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
            // The instance's end closes them; nothing else should.
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            PooledConnectionLifetime = Timeout.InfiniteTimeSpan,
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(endPoint, cancellationToken);
                    return new InstanceStream(socket);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        });
    }

    private void Drop(InstanceId instance)
    {
        if (_invokers.TryRemove(instance, out var invoker))
        {
            invoker.Dispose();
        }
    }
}
