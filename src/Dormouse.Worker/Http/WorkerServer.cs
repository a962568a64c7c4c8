using Dormouse.Worker.Running;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Dormouse.Worker.Http;

/// <summary>
/// Kestrel on one Unix socket, without host, configuration, routing or middleware: a worker has four addresses, and its start is counted in milliseconds.
/// </summary>
internal sealed class WorkerServer : IDisposable
{
    // Not infinite: Kestrel adds it to a timestamp in nanoseconds, which overflows, and then closes idle connections at its next heartbeat.
    private static readonly TimeSpan IdleConnectionLife = TimeSpan.FromDays(1);

    private readonly KestrelServer _server;
    private readonly StandardErrorLog _log = new();
    private readonly ServiceProvider _services;
    private readonly WorkerApplication _application = new();

    /// <param name="listener">Descriptor that listens on the socket already: in a sandbox the worker could not make one that others reach.</param>
    internal WorkerServer(string socketPath, int? listener)
    {
        var services = new ServiceCollection();
        services.AddSingleton<ILoggerFactory>(_log);
        SocketTransport.Add(services);
        _services = services.BuildServiceProvider();
        var options = new KestrelServerOptions { AddServerHeader = false, ApplicationServices = _services };
        // The gateway has already held the body against the endpoint's limit and times slow senders.
        options.Limits.MaxRequestBodySize = null;
        options.Limits.MinRequestBodyDataRate = null;
        options.Limits.MinResponseDataRate = null;
        // The gateway decides how long idle connections live; one closed from here could meet a request on its way.
        options.Limits.KeepAliveTimeout = IdleConnectionLife;
        if (listener is { } descriptor)
            options.ListenHandle((ulong)descriptor, Http1Only);
        else
            options.ListenUnixSocket(socketPath, Http1Only);
        _server = new KestrelServer(Options.Create(options), _services.GetRequiredService<IConnectionListenerFactory>(), _log);
    }

    private static void Http1Only(ListenOptions listen) => listen.Protocols = HttpProtocols.Http1;

    /// <summary>The instance that answers; null while this worker is generic.</summary>
    internal Instance? Instance
    {
        get => _application.Instance;
        set => _application.Instance = value;
    }

    /// <summary>The instance of a rehearsal, at an address of its own: to everybody else this worker is still generic.</summary>
    internal Instance? Rehearsal
    {
        get => _application.Rehearsal;
        set => _application.Rehearsal = value;
    }

    internal Task StartAsync(CancellationToken cancellationToken) => _server.StartAsync(_application, cancellationToken);

    public void Dispose()
    {
        _server.Dispose();
        _services.Dispose();
        _log.Dispose();
    }
}
