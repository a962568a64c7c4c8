using System.Collections.Immutable;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Server.Destinations;
using Dormouse.Server.Overflow;
using Dormouse.Server.Usage;

namespace Dormouse.Server.Queues;

/// <summary>From a queue item to the API's.</summary>
internal sealed class QueueViews(IQueueStore store, IDestinationStore destinations, EndpointNames names, OverflowHosts hosts, PriceBook prices, TimeProvider time)
{
    /// <summary>Where the item's state is asked for.</summary>
    public static string Address(QueueItem item) =>
        $"{(item.Tenant == TenantId.Default ? "" : "/t/" + item.Tenant)}/api/v1/invocations/{item.Id}";

    /// <summary>The receipt of the last attempt where there is one, with what the queue knows.</summary>
    public async Task<ReceiptInfo> InfoAsync(QueueItem item, JournalEntry? entry, CancellationToken cancellationToken)
    {
        var name = await names.FindAsync(item.Endpoint, cancellationToken);
        var info = entry switch
        {
            { Receipt: { } receipt } => ReceiptViews.Info(receipt, name, prices.Currency, await hosts.FindAsync(receipt, cancellationToken)),
            { } open => ReceiptViews.Open(open.Opening, name, prices.Currency),
            null => ReceiptViews.NotBegun(item, name, prices.Currency),
        };
        var deliveries = item.State.IsLive() ? [] : await destinations.OfAsync(item.Tenant, item.Id, cancellationToken);
        var edits = entry is null && item.State.IsLive() ? [] : await store.EditsAsync(item.Tenant, item.Id, cancellationToken);
        return info with
        {
            Queue = Info(item) with
            {
                Deliveries = deliveries.IsEmpty ? null : [.. deliveries.Select(DestinationViews.Info)],
                Edits = edits.IsEmpty ? null : [.. edits.Select(e => new QueueEditInfo(e.Number, e.By, e.At, e.Changes, e.BodyBytesBefore))],
            },
        };
    }

    public static QueueInfo Info(QueueItem item) => new()
    {
        State = Words.Of(item.State),
        AcceptedAt = item.AcceptedAt,
        NotBefore = item.State == QueueState.Queued ? item.NotBefore : null,
        ExpiresAt = item.State.IsLive() ? item.ExpiresAt : null,
        Attempts = item.Attempts,
        AttemptsMax = item.AttemptsMax,
        Priority = Words.Of(item.Priority),
        Group = item.Group,
        Reason = item.Reason,
        EndedAt = item.EndedAt,
        Result = item.State is QueueState.Succeeded or QueueState.Failed or QueueState.Dead ? Address(item) + "/result" : null,
    };

    /// <summary>Where its outcomes go.</summary>
    public Task<DestinationUse> UseAsync(EndpointId endpoint, CancellationToken cancellationToken) => destinations.UseAsync(endpoint, cancellationToken);

    /// <summary>Null when nothing of the endpoint waits, runs or is a dead letter.</summary>
    public async Task<EndpointQueueInfo?> InfoAsync(EndpointId endpoint, CancellationToken cancellationToken) =>
        (await DepthsAsync(cancellationToken)).FirstOrDefault(d => d.Endpoint == endpoint) is { } depth ? Info(depth) : null;

    /// <summary>Of every endpoint, whosever it is.</summary>
    public Task<ImmutableArray<QueueDepth>> DepthsAsync(CancellationToken cancellationToken) => store.DepthsAsync(time.GetUtcNow(), cancellationToken);

    public EndpointQueueInfo Info(QueueDepth depth) =>
        new(depth.Queued, depth.Leased, depth.Dead, depth.OldestDue is { } since ? Math.Max(0, (time.GetUtcNow() - since).TotalSeconds) : null);
}
