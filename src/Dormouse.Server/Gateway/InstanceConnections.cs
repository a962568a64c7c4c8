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
    private readonly ConcurrentDictionary<InstanceId, Connected> _instances = new();
    private readonly DispatchEvents _events;

    private readonly Func<InstanceId, bool> _isThere;

    /// <param name="isThere">False from before <see cref="DispatchEvents.Gone"/> is raised on.</param>
    public InstanceConnections(DispatchEvents events, Func<InstanceId, bool> isThere)
    {
        _events = events;
        _isThere = isThere;
        events.Gone += Drop;
    }

    /// <summary>Instances that there are connections to.</summary>
    public int Count => _instances.Count;

    /// <summary>Requests to an instance that is gone fail as unreachable.</summary>
    public HttpMessageInvoker For(in SlotLease lease)
    {
        if (_instances.TryGetValue(lease.Instance, out var known))
        {
            return known.Invoker;
        }

        var opened = _instances.GetOrAdd(lease.Instance, static (_, address) => new Connected(Open(address)), lease.Address);
        // Added first, then asked: an instance that ended just before is dropped here, one that ends after by its event.
        if (!_isThere(lease.Instance))
        {
            Drop(lease.Instance);
        }

        return opened.Invoker;
    }

    /// <summary>The fault of a request that no connection could be made for.</summary>
    public static bool IsUnreachable(Exception? fault) => fault is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError };

    public void Dispose()
    {
        _events.Gone -= Drop;
        foreach (var instance in _instances.Keys)
        {
            Drop(instance);
        }
    }

    private static SocketsHttpHandler Open(string address)
    {
        var endPoint = new UnixDomainSocketEndPoint(address);
        return new SocketsHttpHandler
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
        };
    }

    private void Drop(InstanceId instance)
    {
        if (_instances.TryRemove(instance, out var connected))
        {
            connected.End();
        }
    }

    /// <summary>Says of requests after the end what they must be taken for, whichever part of the base library notices first.</summary>
    private sealed class Connected : DelegatingHandler
    {
        private readonly SocketsHttpHandler _sockets;

        public Connected(SocketsHttpHandler sockets)
            : base(sockets)
        {
            _sockets = sockets;
            Invoker = new HttpMessageInvoker(this, disposeHandler: false);
        }

        public HttpMessageInvoker Invoker { get; }

        public void End() => _sockets.Dispose();

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            try
            {
                return await base.SendAsync(request, cancellationToken);
            }
            catch (ObjectDisposedException fault)
            {
                throw new HttpRequestException(HttpRequestError.ConnectionError, "The instance is gone.", fault);
            }
        }
    }
}
