using System.Collections.Concurrent;
using Dormouse.Core.Instances;
using Dormouse.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>A request that an instance got and has not answered.</summary>
internal sealed class FakeRun(FakeInstance instance, HttpContext context, byte[] body)
{
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public FakeInstance Instance => instance;

    public HttpContext Context => context;

    public byte[] Body => body;

    /// <summary>Lets the run end and be answered.</summary>
    public void Release() => _released.TrySetResult();

    public Task ReleasedAsync() => _released.Task.WaitAsync(context.RequestAborted);
}

/// <summary>An in-process HTTP server on a Unix socket that plays the ONNX worker. Killing it aborts its connections.</summary>
/// <param name="readsBody">False: it plays before it has read a byte of the body.</param>
internal sealed class FakeInstance(InstanceId id, string socket, Func<FakeRun, Task> play, Func<bool> readsBody) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, ConnectionContext> _connections = new();
    private WebApplication? _app;

    public InstanceId Id => id;

    public string Socket => socket;

    /// <summary>Load time that it reports.</summary>
    public static readonly TimeSpan Load = TimeSpan.FromMilliseconds(2);

    public static async Task AnswerAsync(HttpContext context, int status, string type, byte[] body, long? runMicroseconds = 250)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        context.Response.ContentLength = body.Length;
        if (runMicroseconds is { } run)
        {
            context.Response.Headers[DormouseHeaders.RunMicroseconds] = run.ToString(System.Globalization.CultureInfo.InvariantCulture);
            context.Response.Headers[DormouseHeaders.CpuMicroseconds] = "200";
        }

        await context.Response.Body.WriteAsync(body);
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.ListenUnixSocket(socket, options => options.Use(next => async connection =>
            {
                _connections[connection.ConnectionId] = connection;
                await next(connection);
                _connections.TryRemove(connection.ConnectionId, out _);
            }));
        });
        _app = builder.Build();
        _app.Run(ServeAsync);
        await _app.StartAsync(cancellationToken);
    }

    /// <summary>Ends at once, whatever runs.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _app, null) is not { } app)
        {
            return;
        }

        foreach (var connection in _connections.Values)
        {
            connection.Abort();
        }

        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await app.StopAsync(now.Token);
        await app.DisposeAsync();
        File.Delete(socket);
    }

    private async Task ServeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        try
        {
            if (readsBody())
            {
                await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            }

            await play(new FakeRun(this, context, body.ToArray()));
        }
        catch (Exception fault) when (fault is OperationCanceledException or IOException or BadHttpRequestException)
        {
            // The gateway hung up, or this instance was killed.
            context.Abort();
        }
    }
}
