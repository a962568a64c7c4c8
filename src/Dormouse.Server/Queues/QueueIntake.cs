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
using Dormouse.Server.Pipelines;
using Dormouse.Server.Routing;
using Dormouse.Server.Telemetry;
using Dormouse.Storage;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Queues;

/// <summary>What became of an invocation that was to be queued: an item, or why there is none.</summary>
/// <param name="IsKnown">It was queued before, under the same idempotency key.</param>
internal readonly record struct IntakeOutcome(QueueItem? Item, bool IsKnown, Problem? Problem);

/// <summary>Accepts an asynchronous invocation: reads it whole, stores it, and answers 202 when it is on the disk.</summary>
internal sealed class QueueIntake(
    IQueueStore store, QueueSignals signals, QueueShortcut shortcut, QueueViews views, WholeBodies bodies, InvocationParts parts, DestinationReferences destinations, QueuesSettings settings, QueueMetrics metrics)
{
    private static readonly TimeSpan FullRetry = TimeSpan.FromSeconds(5);

    /// <param name="terms">Priority and deadline as they were read already.</param>
    public async Task AcceptAsync(HttpContext context, EndpointRoute route, InvocationAddress address, CallerTerms terms)
    {
        if (!QueueTerms.TryRead(context.Request.Headers, settings, out var wishes, out var wrong))
        {
            await RefuseAsync(context, wrong);
            return;
        }

        var id = new InvocationId(parts.Ids.NewId());
        context.Response.Headers[DormouseHeaders.InvocationId] = id.ToString();
        if (await RefusalAsync(context, route, address, id) is { } refusal || (refusal = await RefusalAsync(route, terms, wishes, context.RequestAborted)) is not null)
        {
            await RefuseAsync(context, refusal);
            return;
        }

        // A large one keeps its place until it is stored.
        await using var body = await bodies.ReadAsync(context, settings.BodyLimitBytes);
        if (body.Problem is { } unread)
        {
            context.Response.Headers.Connection = "close";
            await RefuseAsync(context, TooLarge(unread));
            return;
        }

        var item = Compose(id, route, Request(context.Request, address), terms, wishes, body.Bytes.Length);
        await AnswerAsync(context, await StoreAsync(item, body.Bytes, wishes.Key, context.RequestAborted));
    }

    /// <summary>What is wrong with what a caller says of the invocation; null = nothing.</summary>
    public async ValueTask<Problem?> RefusalAsync(EndpointRoute route, CallerTerms terms, QueueTerms wishes, CancellationToken cancellationToken) =>
        terms.Within is { } within && within <= wishes.Delay
            ? new Problem(
                ProblemCode.DeadlineUnreachable, $"The deadline is in {Durations.Format(within > TimeSpan.Zero ? within : TimeSpan.Zero)} and the invocation begins in {Durations.Format(wishes.Delay)} at the earliest. Give it more time.")
            : await destinations.RefusalAsync(route.Endpoint.Tenant, wishes.OnSuccess, wishes.OnFailure, cancellationToken);

    public QueueItem Compose(InvocationId id, EndpointRoute route, QueuedRequest request, CallerTerms terms, QueueTerms wishes, int bodyBytes)
    {
        var now = parts.Time.GetUtcNow();
        var lives = terms.Within is { } within && within < wishes.TimeToLive ? within : wishes.TimeToLive;
        return new QueueItem
        {
            Id = id,
            Tenant = route.Endpoint.Tenant,
            Endpoint = route.Endpoint.Id,
            Request = request,
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

    /// <summary>Returns when it is on the disk, or why it is not.</summary>
    /// <param name="body">Not used any more afterwards.</param>
    public async Task<IntakeOutcome> StoreAsync(QueueItem item, ReadOnlyMemory<byte> body, string? key, CancellationToken cancellationToken)
    {
        Acceptance acceptance;
        var atOnce = shortcut.TryTake(item);
        if (atOnce is not null)
        {
            // The caller takes its memory back.
            body = body.ToArray();
        }

        try
        {
            var idempotency = key is null ? null : new IdempotencyKey(key, RequestDigest.Of(item.Request, body.Span), item.AcceptedAt + QueueLimits.IdempotencyTime);
            acceptance = await store.AcceptAsync(new NewQueueItem(item, body, idempotency) { AtOnce = atOnce }, settings.Limit, cancellationToken);
        }
        catch (Exception e) when (e is StorageFullException or IOException or ObjectDisposedException)
        {
            if (atOnce is not null)
            {
                shortcut.Doubt(item, atOnce.Value);
            }

            return new IntakeOutcome(null, false, new Problem(
                ProblemCode.QueueUnavailable, "The invocation could not be stored, so it is not accepted: the server's disk is full or its store does not answer. Send it again later.", FullRetry));
        }
        catch (OperationCanceledException) when (atOnce is not null)
        {
            // A cancelled operation has not been done.
            shortcut.GiveUp(item);
            throw;
        }
        catch when (atOnce is not null)
        {
            shortcut.Doubt(item, atOnce.Value);
            throw;
        }

        if (atOnce is not null && acceptance is not Acceptance.Accepted { Leased: not null })
        {
            shortcut.GiveUp(item);
        }

        switch (acceptance)
        {
            case Acceptance.Accepted accepted:
                await parts.Steps.ReachedAsync(QueueStep.Accepted);
                metrics.Accepted(item);
                if (accepted.Leased is { } leased)
                {
                    await shortcut.BeginAsync(new LeasedItem(leased, body));
                }
                else
                {
                    signals.Accepted(item);
                }

                return new IntakeOutcome(item, false, null);
            case Acceptance.Known known:
                return new IntakeOutcome(known.Item, true, null);
            case Acceptance.KeyReused reused:
                return new IntakeOutcome(null, false, new Problem(
                    ProblemCode.IdempotencyKeyReused,
                    $"Idempotency key '{UrlText.Shown(key!)}' belongs to invocation {reused.First}, which was another request. Use a new key for a new request, or send the same request.")); // Only what has a key is compared by it.
            case Acceptance.Full full:
                return new IntakeOutcome(null, false, new Problem(
                    ProblemCode.QueueFull, $"{full.Queued} asynchronous invocations of this endpoint wait; {settings.Limit} may. Send it again later, or let the operator raise queues.limit.", FullRetry));
            default:
                throw new InvalidOperationException("An item is accepted, known, or there is no room.");
        }
    }

    public Problem TooLarge(Problem unread) => unread.Code == ProblemCode.BodyTooLarge
        ? new Problem(
            ProblemCode.BodyTooLarge,
            $"The request body is larger than the {settings.BodyLimitBytes} bytes that are queued. Send less, send it without {DormouseHeaders.Mode}: async, or let the operator raise queues.body_limit.")
        : unread;

    private static QueuedRequest Request(HttpRequest request, InvocationAddress address)
    {
        var sent = StoredRequest.Of(request, address.Target);
        var named = request.Headers.TryGetValue(DormouseHeaders.Revision, out var values) ? values.ToString() : null;
        return new QueuedRequest(request.Method, sent.Target, string.IsNullOrEmpty(address.Version) ? named : address.Version, [.. sent.Headers.Where(h => !QueueTerms.IsTerm(h.Key))]);
    }

    private async Task AnswerAsync(HttpContext context, IntakeOutcome outcome)
    {
        if (outcome.Item is not { } item)
        {
            await RefuseAsync(context, outcome.Problem ?? throw new InvalidOperationException("What is not queued has a problem."));
            return;
        }

        if (outcome.IsKnown)
        {
            context.Response.Headers[DormouseHeaders.Replayed] = "true";
        }

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
            ?? PipelineGateway.AddressRefusal(route.Endpoint, revision, address.Target)
            ?? PictureAddress.Refusal(context, new Invocation(id, route.Endpoint, revision, parts.Time.GetTimestamp()), address.Target);
    }

    private static Task RefuseAsync(HttpContext context, Problem problem) => Problems.WriteAsync(context, problem.Code, problem.Detail, problem.RetryAfter);
}
