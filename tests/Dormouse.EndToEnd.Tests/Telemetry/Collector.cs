using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Dormouse.EndToEnd.Tests.Telemetry;

/// <summary>An OpenTelemetry collector that takes metrics over gRPC and keeps the messages as they came.</summary>
internal sealed class Collector : IAsyncDisposable
{
    private const string MetricsExport = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

    /// <summary>gRPC's frame around a message: a flag for compression and four bytes of length.</summary>
    private const int FrameBytes = 5;

    private readonly WebApplication _app;
    private readonly ConcurrentQueue<byte[]> _messages = new();
    private readonly ConcurrentQueue<string> _strangers = new();

    private Collector(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.Single());

    /// <summary>Calls of other services than the metrics'.</summary>
    public IEnumerable<string> Strangers => _strangers;

    /// <summary>Everything that came, as text in which names and attribute values can be looked for.</summary>
    public string Text => string.Join('\n', _messages.Select(Encoding.Latin1.GetString));

    public static async Task<Collector> StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(e => e.Protocols = HttpProtocols.Http2));
        var collector = new Collector(builder.Build());
        collector._app.Run(collector.HandleAsync);
        await collector._app.StartAsync(cancellationToken);
        return collector;
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task HandleAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        if (context.Request.Path == MetricsExport)
        {
            var frame = body.ToArray();
            Assert.Equal(0, frame[0]);
            Assert.Equal(frame.Length - FrameBytes, BinaryPrimitives.ReadInt32BigEndian(frame.AsSpan(1)));
            _messages.Enqueue(frame[FrameBytes..]);
        }
        else
        {
            _strangers.Enqueue(context.Request.Path.Value ?? "");
        }

        context.Response.ContentType = "application/grpc";
        await context.Response.Body.WriteAsync(new byte[FrameBytes], context.RequestAborted);
        context.Response.AppendTrailer("grpc-status", "0");
    }
}
