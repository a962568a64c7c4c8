using System.Collections.Immutable;

namespace Dormouse.Protocol.Control;

/// <summary>What the queue knows of an asynchronous invocation.</summary>
public sealed record QueueInfo
{
    /// <summary>"queued", "running" (taken by a server: it runs or waits for its slot), "succeeded", "failed" (refused, a 4xx), "dead" (its attempts are used up), "cancelled", "expired".</summary>
    public required string State { get; init; }

    public required DateTimeOffset AcceptedAt { get; init; }

    /// <summary>While it is queued: it does not run earlier.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>While it may run: afterwards it is not begun any more.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Attempts begun that count.</summary>
    public int Attempts { get; init; }

    public int AttemptsMax { get; init; }

    /// <summary>"high", "normal", "low".</summary>
    public required string Priority { get; init; }

    public string? Group { get; init; }

    /// <summary>Why its last attempt did not succeed, or why it ended.</summary>
    public string? Reason { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Where its answer is; null while there is none.</summary>
    public string? Result { get; init; }

    /// <summary>Who changed its request after an end without success, the first first; null = nobody.</summary>
    public ImmutableArray<QueueEditInfo>? Edits { get; init; }

    /// <summary>To whom its end was or is being reported; null = to nobody.</summary>
    public ImmutableArray<DeliveryInfo>? Deliveries { get; init; }

    /// <summary>It may still run.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsLive => State is "queued" or "running";
}

/// <summary>The request of an invocation was changed; what it was before can be asked for.</summary>
/// <param name="Number">1, 2, 3 of the invocation: <c>?before=1</c> shows it as it was accepted.</param>
/// <param name="By">Public id of the key, or "admin".</param>
/// <param name="Changed">"body", "headers", "query".</param>
/// <param name="BodyBytesBefore">Length of the body before it.</param>
public sealed record QueueEditInfo(int Number, string By, DateTimeOffset At, ImmutableArray<string> Changed, long BodyBytesBefore);

/// <summary><c>PATCH /api/v1/invocations/{id}/request</c>: what is to change of it; what is left out stays.</summary>
public sealed record RequestPatch
{
    /// <summary>By name: they replace those of the same name, or are added; null as a value removes one.</summary>
    public ImmutableDictionary<string, string?>? Headers { get; init; }

    /// <summary>What stands behind the path, without its question mark; "" = nothing.</summary>
    public string? Query { get; init; }
}

/// <summary><c>GET /api/v1/invocations/{id}/request</c>: what its endpoint gets, without the body.</summary>
/// <param name="Target">Path and query; null = the inference route.</param>
/// <param name="Version">Revision number or tag that the caller named.</param>
/// <param name="Headers">Name and value, in their order.</param>
public sealed record QueuedRequestInfo(string Method, string? Target, string? Version, ImmutableArray<ImmutableArray<string>> Headers, long BodyBytes);

/// <summary>One row of <c>GET /api/v1/queue</c>.</summary>
public sealed record QueueEntry(string Id, string Endpoint, string EndpointId, string Method, string? Target, long BodyBytes, QueueInfo Queue);

/// <summary><c>GET /api/v1/queue</c>: newest first.</summary>
/// <param name="NextPageToken">Gives the next page; null = this is the last one.</param>
public sealed record QueueList(ImmutableArray<QueueEntry> Invocations, string? NextPageToken);

/// <summary>Asynchronous invocations of one endpoint.</summary>
/// <param name="Queued">They wait in the queue.</param>
/// <param name="Running">Taken by a server: they run, or wait for a slot.</param>
/// <param name="Dead">Dead letters.</param>
/// <param name="OldestSeconds">How long the one that is due longest has waited; null when none is due.</param>
public sealed record EndpointQueueInfo(long Queued, long Running, long Dead, double? OldestSeconds);

/// <summary>One row of <c>GET /api/v1/queue/depths</c>.</summary>
/// <param name="Endpoint">Its name, or the one that it had.</param>
public sealed record QueueDepthEntry(string Endpoint, string EndpointId, EndpointQueueInfo Queue);

/// <summary><c>GET /api/v1/queue/depths</c>: the endpoints that have asynchronous invocations which wait, run or are dead letters, in order of name.</summary>
public sealed record QueueDepthList(ImmutableArray<QueueDepthEntry> Endpoints);

/// <summary><c>POST /api/v1/queue/redrive</c>: dead letters run anew, the oldest first.</summary>
public sealed record RedriveRequest
{
    /// <summary>Name, or id of a deleted one; null = all of the tenant.</summary>
    public string? Endpoint { get; init; }

    /// <summary>Most dead letters, 1 to 10,000; null = 1,000.</summary>
    public int? Limit { get; init; }
}

/// <param name="Redriven">How many dead letters were queued anew.</param>
public sealed record RedriveAnswer(int Redriven);
