using System.Buffers;
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
    InvocationParts parts, InvocationRunner runner, BackgroundTasks tasks, MirrorMetrics metrics, ILogger<MirrorCopies> logger)
{
    /// <summary>Copies of all endpoints, from the choice of their originals on: each may hold a body and two answers.</summary>
    public const int CopiesMax = 32;

    /// <summary>Bytes of their bodies.</summary>
    public const long BytesMax = 16L << 20;

    /// <summary>Mirrors counted; beyond it the counts of deleted endpoints have made room long ago, so all are begun anew.</summary>
    private const int EndpointsMax = 10_000;

    /// <summary>How long a copy may wait for a slot, its revision's start included.</summary>
    public static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<EndpointId, MirrorCounts> _counts = new();
    private int _copies;
    private long _bytes;

    /// <summary>Null when this invocation is not to be copied: nothing is mirrored, it was not drawn, it names its revision, or it runs on the mirror's own.</summary>
    public MirrorCapture? Choose(Invocation invocation, HttpContext context, InstanceTarget target, RequestBody body)
    {
        if (invocation.Endpoint.Mirror is not { } mirror || invocation.IsPinned || invocation.Revision.Id.Number == mirror.Revision
            || context.Request.Headers.Upgrade.Count > 0 || parts.Resolver.DrawPercent() >= mirror.Percent)
        {
            return null;
        }

        if (!body.IsKept)
        {
            Count(invocation.Endpoint, mirror, MirrorResult.NotMirrored);
            return null;
        }

        var bytes = body.KnownBytes;
        if (TryTake(bytes))
        {
            return new MirrorCapture(invocation.Endpoint, mirror, context, target, () => GiveBack(bytes));
        }

        Count(invocation.Endpoint, mirror, MirrorResult.Dropped);
        return null;
    }

    /// <summary>The caller has the answer: runs the copy behind it. Takes the body's memory over.</summary>
    public void Offer(MirrorCapture original, Invocation invocation, RequestBody body)
    {
        if (invocation.Receipt is not { Start: not StartKind.Overflow } receipt || original.Status == 0 || original.TakeOver() is not { } ended)
        {
            return;
        }

        var (buffer, length) = body.Detach();
        // On the pool: not on the thread that waits for the caller's socket.
        tasks.Add(Task.Run(() => RunAsync(original, receipt.Times.RunMicroseconds, buffer, length, ended)));
    }

    /// <summary>What was seen of an endpoint's mirror; null when it has none.</summary>
    public MirrorInfo? Info(Endpoint endpoint) => endpoint.Mirror is { } mirror ? Of(endpoint.Id, mirror).Info() : null;

    private async Task RunAsync(MirrorCapture original, long originalMicroseconds, byte[]? buffer, int length, Action ended)
    {
        try
        {
            await CompareAsync(original, originalMicroseconds, buffer.AsMemory(0, length));
        }
        catch (Exception e)
        {
            // The top of its own task: nobody else would hear of it.
            LogFailed(original.Endpoint.Name, original.Endpoint.Tenant, e);
            Count(original.Endpoint, original.Mirror, MirrorResult.Unanswered);
        }
        finally
        {
            if (buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            ended();
        }
    }

    private async Task CompareAsync(MirrorCapture original, long originalMicroseconds, ReadOnlyMemory<byte> body)
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
        var exchange = new MirrorExchange(original, body);
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

    private bool TryTake(long bytes)
    {
        var isFull = Interlocked.Increment(ref _copies) > CopiesMax;
        isFull |= Interlocked.Add(ref _bytes, bytes) > BytesMax;
        if (isFull)
        {
            GiveBack(bytes);
        }

        return !isFull;
    }

    private void GiveBack(long bytes)
    {
        Interlocked.Decrement(ref _copies);
        Interlocked.Add(ref _bytes, -bytes);
    }

    [LoggerMessage(EventId = 5301, EventName = "MirrorFailed", Level = LogLevel.Error, Message = "Endpoint {Endpoint} of {Tenant}: a mirrored invocation failed in the server")]
    private partial void LogFailed(string endpoint, TenantId tenant, Exception fault);
}
