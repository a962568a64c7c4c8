using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;

namespace Dormouse.Server.Logs;

/// <summary><c>GET /api/v1/endpoints/{name}/logs</c>: JSON lines, with <c>follow=true</c> until the caller leaves.</summary>
internal sealed class LogsApi(LogStore logs, EndpointsApi endpoints, IHostApplicationLifetime lifetime, TimeProvider time)
{
    private const int TailDefault = 100;

    private static readonly byte[] NewLine = "\n"u8.ToArray();

    public async Task GetAsync(ControlCall call)
    {
        if (await SinceAsync(call) is not (true, var since)
            || await call.NumberAsync("tail", since is null ? TailDefault : LogStore.TailMax, 0, LogStore.TailMax) is not { } tail
            || await call.FlagAsync("follow", fallback: false) is not { } follow
            || await endpoints.FindAsync(call) is not { Id: var id })
        {
            return;
        }

        call.Http.Response.ContentType = "application/x-ndjson";
        call.Http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await call.Http.Response.StartAsync(call.Cancellation);

        // A follower must not hold up the server's stop.
        using var end = CancellationTokenSource.CreateLinkedTokenSource(call.Cancellation, lifetime.ApplicationStopping);
        try
        {
            await WriteAsync(call, logs.ReadAsync(id, new LogWish(tail, call.Query("invocation"), since), follow, end.Token), follow, end.Token);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested && !call.Cancellation.IsCancellationRequested)
        {
            // The answer ends here, complete as far as it goes.
        }
    }

    /// <summary>How long ago, or a time; null = any time. False: it is neither, and the answer is written.</summary>
    private async Task<(bool IsRead, DateTimeOffset? Since)> SinceAsync(ControlCall call)
    {
        if (call.Query("since") is not { } text)
        {
            return (true, null);
        }

        if (Durations.TryParse(text, out var ago))
        {
            return (true, time.GetUtcNow() - ago);
        }

        return await call.TimeAsync("since", default) is { } at ? (true, at) : (false, null);
    }

    private static async Task WriteAsync(ControlCall call, IAsyncEnumerable<LogLine> lines, bool follow, CancellationToken cancellationToken)
    {
        var body = call.Http.Response.Body;
        if (follow)
        {
            await body.FlushAsync(cancellationToken);
        }

        await foreach (var line in lines.WithCancellation(cancellationToken))
        {
            await body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(line, ControlJson.Default.LogLine), cancellationToken);
            await body.WriteAsync(NewLine, cancellationToken);
            if (follow)
            {
                await body.FlushAsync(cancellationToken);
            }
        }
    }
}
