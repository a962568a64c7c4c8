using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Batches.Inputs;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Routing;
using Dormouse.Server.Telemetry;
using Dormouse.Storage;

namespace Dormouse.Server.Queues;

/// <summary>Something that the server itself queues for an endpoint: an outcome handed on, or an event of a trigger.</summary>
/// <param name="Key">The same key queues it once (for <see cref="QueueLimits.IdempotencyTime"/>).</param>
internal sealed record FedItem(TenantId Tenant, string Endpoint, ReadOnlyMemory<byte> Body, string? ContentType, string Key)
{
    /// <summary>Others that the instance gets.</summary>
    public ImmutableArray<KeyValuePair<string, string>> Headers { get; init; } = [];

    public int Hops { get; init; }

    /// <summary>The trigger that it comes from, and how far that has come with it.</summary>
    public TriggerProgress? Trigger { get; init; }

    /// <summary>See <see cref="QueueItem.Group"/>.</summary>
    public string? Group { get; init; }
}

/// <summary>What became of it.</summary>
internal abstract record FeedOutcome
{
    private FeedOutcome()
    {
    }

    /// <param name="IsNew">False = it was queued before, under the same key.</param>
    public sealed record Queued(InvocationId Invocation, bool IsNew) : FeedOutcome;

    /// <summary>The endpoint's queue is full.</summary>
    public sealed record Full(string Reason) : FeedOutcome;

    /// <summary>There is no endpoint of that name now.</summary>
    public sealed record NoEndpoint(string Reason) : FeedOutcome;

    /// <summary>It can be queued later: the store is away, or the endpoint has no revision yet.</summary>
    /// <param name="IsStore">It is the store.</param>
    public sealed record Away(string Reason, bool IsStore = false) : FeedOutcome;

    /// <summary>It cannot be queued as it is.</summary>
    public sealed record Refused(string Reason, ProblemCode Code) : FeedOutcome;
}

/// <summary>Queues what comes from inside the server as if somebody had sent it.</summary>
internal sealed class QueueFeed(IQueueStore store, QueueSignals signals, InvocationParts parts, QueuesSettings settings, QueueMetrics metrics)
{
    public async Task<FeedOutcome> EnqueueAsync(FedItem fed, CancellationToken cancellationToken)
    {
        if (parts.Routes.Find(fed.Tenant, fed.Endpoint) is not { } route)
        {
            return new FeedOutcome.NoEndpoint($"there is no endpoint '{fed.Endpoint}'");
        }

        if (fed.Body.Length > settings.BodyLimitBytes)
        {
            return new FeedOutcome.Refused($"it has {fed.Body.Length} bytes, more than the {settings.BodyLimitBytes} that are queued (queues.body_limit)", ProblemCode.BodyTooLarge);
        }

        if (route.Revisions.IsEmpty)
        {
            return new FeedOutcome.Away($"endpoint '{fed.Endpoint}' has no revision that takes traffic");
        }

        if (IsTable(fed.ContentType) && route.Revisions[0].Spec.Kind.RunsModels && ModelInputs.Of(route.Revisions[0]) is { } inputs)
        {
            if (CsvTensors.Compose(fed.Body.Span, inputs, out var misfit) is not { } tensors)
            {
                return new FeedOutcome.Refused($"it is a table that the model does not take: {misfit.TrimEnd('.')}", ProblemCode.InputInvalid);
            }

            if (tensors.Length > settings.BodyLimitBytes)
            {
                return new FeedOutcome.Refused($"as tensors it has {tensors.Length} bytes, more than the {settings.BodyLimitBytes} that are queued (queues.body_limit)", ProblemCode.BodyTooLarge);
            }

            fed = fed with { Body = tensors, ContentType = MediaTypes.Json };
        }

        var item = Compose(fed, route);
        var key = new IdempotencyKey(fed.Key, RequestDigest.Of(item.Request, fed.Body.Span), item.AcceptedAt + QueueLimits.IdempotencyTime);
        Acceptance acceptance;
        try
        {
            acceptance = await store.AcceptAsync(new NewQueueItem(item, fed.Body, key) { Trigger = fed.Trigger }, settings.Limit, cancellationToken);
        }
        catch (Exception e) when (e is StorageFullException or IOException)
        {
            return new FeedOutcome.Away("the queue's store does not answer", IsStore: true);
        }

        switch (acceptance)
        {
            case Acceptance.Accepted:
                await parts.Steps.ReachedAsync(QueueStep.Accepted);
                metrics.Accepted(item);
                signals.Work();
                return new FeedOutcome.Queued(item.Id, IsNew: true);
            case Acceptance.Known known:
                return new FeedOutcome.Queued(known.Item.Id, IsNew: false);
            case Acceptance.KeyReused reused:
                // The same event, told otherwise the second time.
                return new FeedOutcome.Queued(reused.First, IsNew: false);
            case Acceptance.Full full:
                return new FeedOutcome.Full($"{full.Queued} asynchronous invocations of '{fed.Endpoint}' wait; {settings.Limit} may (queues.limit)");
            default:
                throw new InvalidOperationException("An item is accepted, known, or there is no room.");
        }
    }

    private QueueItem Compose(FedItem fed, EndpointRoute route)
    {
        var now = parts.Time.GetUtcNow();
        return new QueueItem
        {
            Id = new InvocationId(parts.Ids.NewId()),
            Tenant = fed.Tenant,
            Endpoint = route.Endpoint.Id,
            Request = new QueuedRequest("POST", Target(route, fed.ContentType), null, [.. fed.ContentType is { } type ? [KeyValuePair.Create("Content-Type", type)] : ImmutableArray<KeyValuePair<string, string>>.Empty, .. fed.Headers]),
            BodyBytes = fed.Body.Length,
            Priority = Core.Dispatch.QueuePriority.Normal,
            Group = fed.Group,
            AcceptedAt = now,
            NotBefore = now,
            ExpiresAt = now + settings.TimeToLive,
            AttemptsMax = settings.Attempts,
            Hops = fed.Hops,
        };
    }

    private static bool IsTable(string? contentType) => (contentType ?? "").Split(';')[0].TrimEnd().Equals("text/csv", StringComparison.OrdinalIgnoreCase);

    /// <summary>A model takes tensors on the inference route and pictures and text on its own address; a program takes everything there.</summary>
    public static string? Target(EndpointRoute route, string? contentType) =>
        route.Revisions[0].Spec.Kind.RunsModels && (contentType is null || !contentType.StartsWith("image/", StringComparison.OrdinalIgnoreCase)) ? null : "/";
}
