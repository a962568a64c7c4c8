using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Destinations;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Routing;
using Dormouse.Server.Telemetry;
using Dormouse.Storage;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Queues;

/// <summary>Accepts an asynchronous invocation: reads it whole, stores it, and answers 202 when it is on the disk.</summary>
internal sealed class QueueIntake(IQueueStore store, QueueSignals signals, QueueViews views, InvocationParts parts, DestinationReferences destinations, QueuesSettings settings, QueueMetrics metrics) : IDisposable
{
    /// <summary>Bodies over 1 MiB that are read at once: each lies in memory until it is stored.</summary>
    private const int LargeAtOnceMax = 4;

    private static readonly TimeSpan FullRetry = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _large = new(LargeAtOnceMax, LargeAtOnceMax);

    /// <param name="terms">Priority and deadline as they were read already.</param>
    public async Task AcceptAsync(HttpContext context, EndpointRoute route, InvocationAddress address, CallerTerms terms)
    {
        if (!QueueTerms.TryRead(context.Request.Headers, settings, out var wishes, out var wrong))
        {
            await RefuseAsync(context, wrong);
            return;
        }

        if (terms.Within is { } within && within <= wishes.Delay)
        {
            await RefuseAsync(context, new Problem(
                ProblemCode.DeadlineUnreachable, $"The deadline is in {Durations.Format(within > TimeSpan.Zero ? within : TimeSpan.Zero)} and the invocation begins in {Durations.Format(wishes.Delay)} at the earliest. Give it more time."));
            return;
        }

        var id = new InvocationId(parts.Ids.NewId());
        context.Response.Headers[DormouseHeaders.InvocationId] = id.ToString();
        if (await RefusalAsync(context, route, address, id) is { } refusal || (refusal = await destinations.RefusalAsync(route.Endpoint.Tenant, wishes.OnSuccess, wishes.OnFailure, context.RequestAborted)) is not null)
        {
            await RefuseAsync(context, refusal);
            return;
        }

        await using var body = await RequestBody.ReadAsync(context, settings.BodyLimitBytes, parts.Time);
        var (buffer, unread) = (body.Kept, body.Problem);
        var isLarge = !body.IsKept && unread is null;
        if (isLarge)
        {
            await _large.WaitAsync(context.RequestAborted);
        }

        try
        {
            if (isLarge)
            {
                var whole = new MemoryStream();
                unread = await ReadWholeAsync(body, whole, context.RequestAborted);
                buffer = whole.GetBuffer().AsMemory(0, (int)whole.Length);
            }

            if (unread is not null)
            {
                context.Response.Headers.Connection = "close";
                await RefuseAsync(context, TooLarge(unread));
                return;
            }

            var item = Compose(context.Request, id, route, address, terms, wishes, buffer.Length);
            await StoreAsync(context, item, buffer, wishes.Key);
        }
        finally
        {
            if (isLarge)
            {
                _large.Release();
            }
        }
    }

    public void Dispose() => _large.Dispose();

    /// <summary>Null when it is read.</summary>
    private static async Task<Problem?> ReadWholeAsync(RequestBody body, MemoryStream whole, CancellationToken callerLeft)
    {
        await using var rest = body.Open(deadline: null);
        try
        {
            await rest.CopyToAsync(whole, callerLeft);
            return null;
        }
        catch (BadHttpRequestException fault)
        {
            var (code, detail) = BadRequests.Describe(fault);
            return body.Problem ?? new Problem(code, detail);
        }
        catch (IOException)
        {
            callerLeft.ThrowIfCancellationRequested();
            return new Problem(ProblemCode.BodyIncomplete, "The connection ended before the whole request body had come. Send it again.");
        }
    }

    private QueueItem Compose(HttpRequest request, InvocationId id, EndpointRoute route, InvocationAddress address, CallerTerms terms, QueueTerms wishes, int bodyBytes)
    {
        var now = parts.Time.GetUtcNow();
        var sent = StoredRequest.Of(request, address.Target);
        var lives = terms.Within is { } within && within < wishes.TimeToLive ? within : wishes.TimeToLive;
        var named = request.Headers.TryGetValue(DormouseHeaders.Revision, out var values) ? values.ToString() : null;
        return new QueueItem
        {
            Id = id,
            Tenant = route.Endpoint.Tenant,
            Endpoint = route.Endpoint.Id,
            Request = new QueuedRequest(request.Method, sent.Target, string.IsNullOrEmpty(address.Version) ? named : address.Version, [.. sent.Headers.Where(h => !QueueTerms.IsTerm(h.Key))]),
            BodyBytes = bodyBytes,
            Priority = terms.Priority,
            Group = wishes.Group,
            AcceptedAt = now,
            NotBefore = now + wishes.Delay,
            ExpiresAt = now + lives,
            AttemptsMax = wishes.Attempts,
            OnSuccess = wishes.OnSuccess,
            OnFailure = wishes.OnFailure,
        };
    }

    private async Task StoreAsync(HttpContext context, QueueItem item, ReadOnlyMemory<byte> body, string? key)
    {
        Acceptance acceptance;
        try
        {
            var idempotency = key is null ? null : new IdempotencyKey(key, RequestDigest.Of(item.Request, body.Span), item.AcceptedAt + QueueLimits.IdempotencyTime);
            acceptance = await store.AcceptAsync(new NewQueueItem(item, body, idempotency), settings.Limit, context.RequestAborted);
        }
        catch (Exception e) when (e is StorageFullException or IOException or ObjectDisposedException)
        {
            await RefuseAsync(context, new Problem(
                ProblemCode.QueueUnavailable, "The invocation could not be stored, so it is not accepted: the server's disk is full or its store does not answer. Send it again later.", FullRetry));
            return;
        }

        switch (acceptance)
        {
            case Acceptance.Accepted:
                metrics.Accepted(item);
                signals.Work();
                await AnswerAsync(context, item);
                break;
            case Acceptance.Known known:
                context.Response.Headers[DormouseHeaders.Replayed] = "true";
                await AnswerAsync(context, known.Item);
                break;
            case Acceptance.KeyReused reused:
                await RefuseAsync(context, new Problem(
                    ProblemCode.IdempotencyKeyReused,
                    $"Idempotency key '{UrlText.Shown(key!)}' belongs to invocation {reused.First}, which was another request. Use a new key for a new request, or send the same request."));
                break;
            case Acceptance.Full full:
                await RefuseAsync(context, new Problem(
                    ProblemCode.QueueFull, $"{full.Queued} asynchronous invocations of this endpoint wait; {settings.Limit} may. Send it again later, or let the operator raise queues.limit.", FullRetry));
                break;
        }
    }

    private async Task AnswerAsync(HttpContext context, QueueItem item)
    {
        context.Response.Headers[DormouseHeaders.InvocationId] = item.Id.ToString();
        context.Response.Headers.Location = QueueViews.Address(item);
        await JsonBody.WriteAsync(context, await views.InfoAsync(item, null, context.RequestAborted), ControlJson.Default.ReceiptInfo, StatusCodes.Status202Accepted);
    }

    /// <summary>What is wrong whenever it runs is refused now; that a first revision is not ready yet is not.</summary>
    private async ValueTask<Problem?> RefusalAsync(HttpContext context, EndpointRoute route, InvocationAddress address, InvocationId id)
    {
        if (context.Request.Headers.Upgrade.Count > 0)
        {
            return new Problem(ProblemCode.RequestInvalid, $"A connection to be upgraded cannot be queued. Send it without {DormouseHeaders.Mode}: async.");
        }

        var (revision, refusal) = await parts.Resolver.ResolveAsync(route, address.Version, context.Request.Headers, context.RequestAborted);
        return revision is null
            ? refusal?.Code == ProblemCode.EndpointNotReady ? null : refusal
            : TensorAddress.Refusal(route.Endpoint, revision, address.Target)
            ?? PictureAddress.Refusal(context, new Invocation(id, route.Endpoint, revision, parts.Time.GetTimestamp()), address.Target);
    }

    private Problem TooLarge(Problem unread) => unread.Code == ProblemCode.BodyTooLarge
        ? new Problem(
            ProblemCode.BodyTooLarge,
            $"The request body is larger than the {settings.BodyLimitBytes} bytes that are queued. Send less, send it without {DormouseHeaders.Mode}: async, or let the operator raise queues.body_limit.")
        : unread;

    private static Task RefuseAsync(HttpContext context, Problem problem) => Problems.WriteAsync(context, problem.Code, problem.Detail, problem.RetryAfter);
}
