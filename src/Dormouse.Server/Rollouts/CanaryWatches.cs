using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Threading.Channels;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Core.Usage;

namespace Dormouse.Server.Rollouts;

/// <summary>The canaries that run, by endpoint. Costs an invocation one look into an empty table while there is none.</summary>
internal sealed class CanaryWatches
{
    private readonly ConcurrentDictionary<EndpointId, CanaryWatch> _watches = new();
    private readonly Channel<bool> _due = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>An item comes when some canary can be decided; several at once are one.</summary>
    public ChannelReader<bool> Due => _due.Reader;

    public ImmutableArray<CanaryWatch> All => [.. _watches.Values];

    public CanaryWatch? Find(EndpointId endpoint) => _watches.GetValueOrDefault(endpoint);

    /// <summary>The endpoint was stored like this: begins to watch its canary, or ends it. Called for one endpoint at a time.</summary>
    public void Follow(Endpoint endpoint)
    {
        if (endpoint.Canary is not { State: CanaryState.Running } canary)
        {
            _watches.TryRemove(endpoint.Id, out _);
        }
        else if (Find(endpoint.Id) is { } watch && watch.Revision.Number == canary.Revision)
        {
            watch.LooksTaken(canary.LooksTaken);
        }
        else
        {
            _watches[endpoint.Id] = new CanaryWatch(endpoint, canary);
        }
    }

    public void Forget(EndpointId endpoint) => _watches.TryRemove(endpoint, out _);

    public void Closed(Receipt receipt)
    {
        if (!_watches.IsEmpty && Find(receipt.Revision.Endpoint) is { } watch && watch.Count(receipt))
        {
            Wake();
        }
    }

    /// <summary>No instance came up for an invocation of this revision.</summary>
    public void StartFailed(RevisionId revision)
    {
        if (!_watches.IsEmpty && Find(revision.Endpoint) is { } watch && watch.CountFailedStart(revision))
        {
            Wake();
        }
    }

    public void Wake() => _due.Writer.TryWrite(true);
}
