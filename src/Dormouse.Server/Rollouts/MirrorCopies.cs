using System.Collections.Concurrent;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Inference;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Gateway;
using Dormouse.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Endpoint = Dormouse.Core.Endpoints.Endpoint;

namespace Dormouse.Server.Rollouts;

/// <summary>
/// Chooses invocations for mirroring, runs their copies after the callers have their answers, compares, counts and drops. Copies stand behind everything else: they have
/// the lowest priority, wait for a slot for a bounded time, are few at once, and are dropped where there is no room.
/// </summary>
internal sealed partial class MirrorCopies(
    InvocationParts parts, InvocationRunner runner, GatewaySettings settings, BackgroundTasks tasks, MirrorMetrics metrics, ILogger<MirrorCopies> logger)
{
    /// <summary>Copies of all endpoints, from the choice of their originals on: each may hold a body and two answers.</summary>
    public const int CopiesMax = 32;

    /// <summary>Bytes of their bodies in memory.</summary>
    public const long BytesMax = 16L << 20;

    /// <summary>Bytes of their bodies in files.</summary>
    public const long FileBytesMax = 256L << 20;

    /// <summary>Mirrors counted; beyond it the counts of deleted endpoints have made room long ago, so all are begun anew.</summary>
    private const int EndpointsMax = 10_000;

    /// <summary>How long a copy may wait for a slot, its revision's start included.</summary>
    public static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<EndpointId, MirrorCounts> _counts = new();
    private int _copies;
    private long _bytes;
    private long _fileBytes;

    /// <summary>Null when this invocation is not to be copied: nothing is mirrored, it was not drawn, it names its revision, or it runs on the mirror's own.</summary>
    public MirrorCapture? Choose(Invocation invocation, HttpContext context, InstanceTarget target, RequestBody body)
    {
        if (context.Request.Headers.Upgrade.Count > 0 || Draw(invocation) is not { } mirror)
        {
            return null;
        }

        // A length that nobody declared may be the longest there is.
        var file = body.IsKept ? 0 : (body.DeclaredBytes ?? settings.BodyLimitBytes) - RequestBody.KeptBytesMax;
        var capture = Take(invocation.Endpoint, mirror, StoredRequest.Of(context.Request, target), Math.Min(body.KnownBytes, RequestBody.KeptBytesMax), file);
        if (capture is not null && !body.IsKept)
        {
            body.KeepRest(settings.SpoolFolder, parts.Ids);
        }

        return capture;
    }

    /// <summary>The same for a gRPC inference, which is in memory.</summary>
    public MirrorCapture? Choose(Invocation invocation, int messageBytes) =>
        Draw(invocation) is { } mirror ? Take(invocation.Endpoint, mirror, StoredRequest.Message, messageBytes, 0) : null;

    /// <summary>The caller has the answer: runs the copy behind it.</summary>
    /// <param name="body">To be given back here; null when it did not come whole.</param>
    public void Offer(MirrorCapture original, Invocation invocation, DetachedBody? body)
    {
        if (body is null)
        {
            Count(original.Endpoint, original.Mirror, MirrorResult.NotMirrored);
            return;
        }

        var ended = invocation.Receipt is { Start: not StartKind.Overflow } && original.Status != 0 ? original.TakeOver() : null;
        // On the pool: not on the thread that waits for the caller's socket.
        tasks.Add(Task.Run(async () =>
        {
            await using (body)
            {
                if (ended is not null)
                {
                    await RunAsync(original, invocation.Receipt!.Times.RunMicroseconds, body, ended); // It has one, as found above.
                }
            }
        }));
    }

    /// <summary>What was seen of an endpoint's mirror; null when it has none.</summary>
    public MirrorInfo? Info(Endpoint endpoint) => endpoint.Mirror is { } mirror ? Of(endpoint.Id, mirror).Info() : null;

    private Mirror? Draw(Invocation invocation) =>
        invocation.Endpoint.Mirror is { } mirror && !invocation.IsPinned && invocation.Revision.Id.Number != mirror.Revision && parts.Resolver.DrawPercent() < mirror.Percent
            ? mirror
            : null;

    /// <summary>Null when there is no room, now or ever; then it is counted.</summary>
    private MirrorCapture? Take(Endpoint endpoint, Mirror mirror, StoredRequest request, long bytes, long fileBytes)
    {
        var isTooLong = bytes > BytesMax || fileBytes > FileBytesMax;
        if (!isTooLong && TryTake(bytes, fileBytes))
        {
            return new MirrorCapture(endpoint, mirror, request, () => GiveBack(bytes, fileBytes));
        }

        Count(endpoint, mirror, isTooLong ? MirrorResult.NotMirrored : MirrorResult.Dropped);
        return null;
    }

    private async Task RunAsync(MirrorCapture original, long originalMicroseconds, DetachedBody body, Action ended)
    {
        try
        {
            await CompareAsync(original, originalMicroseconds, body);
        }
        catch (Exception e)
        {
            // The top of its own task: nobody else would hear of it.
            LogFailed(original.Endpoint.Name, original.Endpoint.Tenant, e);
            Count(original.Endpoint, original.Mirror, MirrorResult.Unanswered);
        }
        finally
        {
            ended();
        }
    }

    private async Task CompareAsync(MirrorCapture original, long originalMicroseconds, DetachedBody body)
    {
        var (endpoint, mirror) = (original.Endpoint, original.Mirror);
        var route = parts.Routes.Find(endpoint.Tenant, endpoint.Name);
        var revision = route is not null && route.Endpoint.Id == endpoint.Id && !route.Endpoint.IsUnloaded
            ? await parts.Resolver.FindAsync(route, mirror.Revision, CancellationToken.None)
            : null;
        if (revision is null)
        {
            Count(endpoint, mirror, MirrorResult.Dropped);
            return;
        }

        var copy = new Invocation(new(parts.Ids.NewId()), endpoint, revision, parts.Time.GetTimestamp())
        {
            Terms = new CallerTerms(WaitMax, QueuePriority.Low),
            IsPinned = true,
            IsMirror = true,
        };
        var exchange = new MirrorExchange(original.Request, body);
        var end = await runner.RunAsync(copy, exchange, CancellationToken.None);
        if (end is not RunEnd.Answered || copy.Receipt is not { } receipt)
        {
            // Without a receipt it never got to an instance.
            Count(endpoint, mirror, copy.Receipt is null ? MirrorResult.Dropped : MirrorResult.Unanswered);
            return;
        }

        var (result, difference) = Judge(original, exchange, mirror.Tolerance);
        Of(endpoint.Id, mirror).Compared(result, originalMicroseconds, receipt.Times.RunMicroseconds, difference);
        metrics.Count(endpoint.Name, result);
    }

    private static (MirrorResult Result, string? Difference) Judge(MirrorCapture original, MirrorExchange copy, double tolerance)
    {
        if (original.Status != copy.Status)
        {
            return (MirrorResult.DifferentStatus, $"the status is {original.Status} and {copy.Status}");
        }

        if (original.IsTooLong || copy.IsTooLong)
        {
            return original.IsTooLong == copy.IsTooLong ? (MirrorResult.Unread, null) : (MirrorResult.DifferentBody, "one answer is longer than 1 MiB");
        }

        return AnswerComparison.Difference(original.Answer, copy.Answer, tolerance) is { } difference
            ? (MirrorResult.DifferentBody, difference)
            : (MirrorResult.Same, null);
    }

    private void Count(Endpoint endpoint, Mirror mirror, MirrorResult result)
    {
        Of(endpoint.Id, mirror).Count(result);
        metrics.Count(endpoint.Name, result);
    }

    /// <summary>Begun anew when the mirror was changed.</summary>
    private MirrorCounts Of(EndpointId endpoint, Mirror mirror)
    {
        if (_counts.Count >= EndpointsMax && !_counts.ContainsKey(endpoint))
        {
            _counts.Clear();
        }

        return _counts.AddOrUpdate(
            endpoint, static (_, mirror) => new MirrorCounts(mirror), static (_, counts, mirror) => counts.Mirror == mirror ? counts : new MirrorCounts(mirror), mirror);
    }

    private bool TryTake(long bytes, long fileBytes)
    {
        var isFull = Interlocked.Increment(ref _copies) > CopiesMax;
        isFull |= Interlocked.Add(ref _bytes, bytes) > BytesMax;
        isFull |= Interlocked.Add(ref _fileBytes, fileBytes) > FileBytesMax;
        if (isFull)
        {
            GiveBack(bytes, fileBytes);
        }

        return !isFull;
    }

    private void GiveBack(long bytes, long fileBytes)
    {
        Interlocked.Decrement(ref _copies);
        Interlocked.Add(ref _bytes, -bytes);
        Interlocked.Add(ref _fileBytes, -fileBytes);
    }

    [LoggerMessage(EventId = 5301, EventName = "MirrorFailed", Level = LogLevel.Error, Message = "Endpoint {Endpoint} of {Tenant}: a mirrored invocation failed in the server")]
    private partial void LogFailed(string endpoint, TenantId tenant, Exception fault);
}
