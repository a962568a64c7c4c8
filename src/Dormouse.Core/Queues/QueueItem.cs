using System.Collections.Immutable;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Queues;

/// <summary>What is sent to an instance when the item runs, without its body.</summary>
/// <param name="Target">Path and query after the endpoint's name, as sent; null = the inference route.</param>
/// <param name="Version">Revision number or tag that the caller named, resolved when the item runs; null = by traffic then.</param>
/// <param name="Headers">Those that an instance gets; never the caller's key.</param>
public sealed record QueuedRequest(string Method, string? Target, string? Version, ImmutableArray<KeyValuePair<string, string>> Headers);

/// <summary>One lease of one item: whoever holds it may end the item, as long as nobody took it later.</summary>
/// <param name="Fence">Grows with each lease of the item.</param>
public readonly record struct QueueLease(InvocationId Id, long Fence);

/// <summary>
/// One queued invocation without its body and answer. Each change of state is a function from one value to the next, the same for every store; what a store adds is that
/// each happens in one transaction.
/// </summary>
public sealed record QueueItem
{
    public required InvocationId Id { get; init; }

    public required TenantId Tenant { get; init; }

    public required EndpointId Endpoint { get; init; }

    public required QueuedRequest Request { get; init; }

    public long BodyBytes { get; init; }

    /// <summary>Its order among the endpoint's items that are due.</summary>
    public QueuePriority Priority { get; init; } = QueuePriority.Normal;

    /// <summary>Items of one group of an endpoint run one after the other, in the order in which they were accepted; null = in no such order.</summary>
    public string? Group { get; init; }

    /// <summary>Where its success is reported, as its caller said (<see cref="Destinations.Destination"/>); null = as its endpoint says.</summary>
    public string? OnSuccess { get; init; }

    /// <summary>The same of its failure.</summary>
    public string? OnFailure { get; init; }

    /// <summary>How many invocations' outcomes it comes from, one through the other; 0 = somebody sent it.</summary>
    public int Hops { get; init; }

    public required DateTimeOffset AcceptedAt { get; init; }

    /// <summary>It does not run earlier: its delay, or the pause before another attempt.</summary>
    public required DateTimeOffset NotBefore { get; init; }

    /// <summary>What has not been leased by then is not run any more.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }

    /// <summary>Attempts begun that count.</summary>
    public int Attempts { get; init; }

    /// <summary>1 to <see cref="QueueLimits.AttemptsMax"/>.</summary>
    public required int AttemptsMax { get; init; }

    public QueueState State { get; init; }

    /// <summary>Number of its last lease; 0 = it was never leased.</summary>
    public long Fence { get; init; }

    /// <summary>The server that has it; null unless it is leased.</summary>
    public Guid? Owner { get; init; }

    public DateTimeOffset? LeaseUntil { get; init; }

    /// <summary>Why the last attempt did not succeed, or why it ended; null = nothing went wrong.</summary>
    public string? Reason { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    public QueueLease Lease => new(Id, Fence);

    /// <summary>May it be leased now, its group aside?</summary>
    public bool IsDue(DateTimeOffset now) => State == QueueState.Queued && NotBefore <= now && now < ExpiresAt;

    /// <summary>A server takes it: an attempt begins.</summary>
    public QueueItem Taken(Guid owner, DateTimeOffset until) =>
        this with { State = QueueState.Leased, Owner = owner, LeaseUntil = until, Fence = Fence + 1, Attempts = Attempts + 1 };

    /// <summary>Its server was lost: another attempt at once, or none when they are used up.</summary>
    public QueueItem LeaseLost(DateTimeOffset now)
    {
        const string Why = "server_lost: the server that ran it ended, or did not hold its lease";
        return Attempts < AttemptsMax
            ? this with { State = QueueState.Queued, Owner = null, LeaseUntil = null, NotBefore = now, Reason = Why }
            : Ended(QueueState.Dead, now, Why);
    }

    /// <summary>What its server says became of the attempt.</summary>
    public QueueItem After(QueueVerdict verdict, DateTimeOffset now) => verdict switch
    {
        QueueVerdict.Finished finished => Ended(finished.State, now, finished.Reason),
        QueueVerdict.Again again => this with
        {
            State = QueueState.Queued,
            Owner = null,
            LeaseUntil = null,
            NotBefore = again.NotBefore,
            Attempts = again.Counts ? Attempts : Attempts - 1,
            Reason = again.Reason,
        },
        _ => throw new InvalidOperationException("A verdict is Finished or Again."),
    };

    /// <summary>It will not run any more.</summary>
    public QueueItem Ended(QueueState state, DateTimeOffset now, string? reason) =>
        this with { State = state, Owner = null, LeaseUntil = null, EndedAt = now, Reason = reason };

    /// <summary>An ended one begins anew, with all its attempts. It keeps its place in its group.</summary>
    public QueueItem Redriven(DateTimeOffset now, DateTimeOffset expiresAt) =>
        this with { State = QueueState.Queued, Attempts = 0, NotBefore = now, ExpiresAt = expiresAt, EndedAt = null, Reason = null };
}
