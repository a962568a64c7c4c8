using System.Text;
using System.Text.Json;
using Dormouse.Core.Queues;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;
using Dormouse.Server.Gateway;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;

namespace Dormouse.Server.Queues;

/// <summary>
/// Where an asynchronous invocation stands, as server-sent events: one <c>state</c> for each change, with the same JSON as without events, the first at once; the answer ends with the
/// invocation.
/// </summary>
internal sealed class QueueProgress(IQueueStore store, QueueSignals signals, QueueViews views, ReceiptReader reader, IHostApplicationLifetime lifetime, TimeProvider time)
{
    private const string MediaType = "text/event-stream";

    /// <summary>Only its end is told by itself; for the rest it is looked at this often.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>Something is sent at least this often, so that nobody between takes the connection for dead.</summary>
    private static readonly TimeSpan QuietMax = TimeSpan.FromSeconds(15);

    public static bool IsAsked(HttpRequest request) => request.Headers.Accept.ToString().Contains(MediaType, StringComparison.OrdinalIgnoreCase);

    public async Task WriteAsync(ControlCall call, QueueItem item)
    {
        var response = call.Http.Response;
        response.ContentType = MediaType;
        response.Headers.CacheControl = "no-store";
        call.Http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await response.StartAsync(call.Cancellation);

        // Whoever watches must not hold up the server's stop.
        using var end = CancellationTokenSource.CreateLinkedTokenSource(call.Cancellation, lifetime.ApplicationStopping);
        try
        {
            await FollowAsync(call, item, end.Token);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested && !call.Cancellation.IsCancellationRequested)
        {
            // The answer ends here; the watcher asks again.
        }
    }

    private async Task FollowAsync(ControlCall call, QueueItem first, CancellationToken cancellationToken)
    {
        var (item, told, lastAt) = (first, (QueueItem?)null, time.GetUtcNow());
        while (true)
        {
            using var ending = signals.Await(first.Id);
            if (told is null)
            {
                // It may have ended since it was found.
                item = await store.FindAsync(call.Tenant, first.Id, cancellationToken) ?? item;
            }

            var now = time.GetUtcNow();
            if (told is null || Differs(told, item))
            {
                await SendAsync(call, await EventAsync(call, item, cancellationToken), cancellationToken);
                (told, lastAt) = (item, now);
            }
            else if (now - lastAt >= QuietMax)
            {
                await SendAsync(call, ": it goes on\n\n", cancellationToken);
                lastAt = now;
            }

            if (!item.State.IsLive())
            {
                signals.Forget(first.Id);
                return;
            }

            try
            {
                await ending.Ended.WaitAsync(LookInterval, time, cancellationToken);
            }
            catch (TimeoutException)
            {
                // Time to look.
            }

            if (await store.FindAsync(call.Tenant, first.Id, cancellationToken) is not { } next)
            {
                return;
            }

            item = next;
        }
    }

    private static bool Differs(QueueItem told, QueueItem now) => (told.State, told.Attempts, told.NotBefore, told.Reason) != (now.State, now.Attempts, now.NotBefore, now.Reason);

    private async Task<string> EventAsync(ControlCall call, QueueItem item, CancellationToken cancellationToken)
    {
        var info = await views.InfoAsync(item, await reader.FindAsync(call.Tenant, item.Id, cancellationToken), cancellationToken);
        return $"event: state\ndata: {JsonSerializer.Serialize(info, ControlJson.Default.ReceiptInfo)}\n\n";
    }

    private static async Task SendAsync(ControlCall call, string text, CancellationToken cancellationToken)
    {
        await call.Http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
        await call.Http.Response.Body.FlushAsync(cancellationToken);
    }
}
