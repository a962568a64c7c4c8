using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Core.Destinations;

/// <summary>Where a delivery stands.</summary>
public enum DeliveryState
{
    /// <summary>Waits for its first or another attempt, or is being sent.</summary>
    Pending,
    Delivered,

    /// <summary>It is not tried any more: its schedule is used up, or it cannot succeed.</summary>
    Dead,
}

/// <summary>One outcome of one asynchronous invocation on its way to one destination. Each change of state is a function from one value to the next, the same for every store.</summary>
/// <param name="Number">Its order among all, given by the store.</param>
/// <param name="Endpoint">Whose outcome it is.</param>
/// <param name="To">Name of a destination, or <c>endpoint:NAME</c>.</param>
/// <param name="Outcome">Succeeded, Failed, Dead or Expired.</param>
public sealed record Delivery(long Number, TenantId Tenant, InvocationId Invocation, EndpointId Endpoint, string To, QueueState Outcome, DateTimeOffset CreatedAt, DateTimeOffset NextAt)
{
    public DeliveryState State { get; init; }

    /// <summary>Attempts begun; what an attempt says counts only while no later one has begun.</summary>
    public int Attempts { get; init; }

    /// <summary>HTTP status of the last answer; null = there was none.</summary>
    public int? Status { get; init; }

    /// <summary>Why the last attempt did not succeed.</summary>
    public string? Reason { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The same on every attempt, so that a receiver knows what it has: the <c>webhook-id</c>.</summary>
    public string Id => $"{Invocation}-{Number}";

    public DeliveryLane Lane => new(Tenant, To);

    /// <summary>An attempt begins; unless something is said of it by <paramref name="until"/> another one may.</summary>
    public Delivery Taken(DateTimeOffset until) => this with { Attempts = Attempts + 1, NextAt = until };

    public Delivery After(DeliveryVerdict verdict, DateTimeOffset now) => verdict switch
    {
        DeliveryVerdict.Delivered done => this with { State = DeliveryState.Delivered, Status = done.Status, Reason = null, EndedAt = now },
        DeliveryVerdict.Again again => this with { NextAt = again.NotBefore, Status = again.Status, Reason = again.Reason },
        DeliveryVerdict.Dead dead => this with { State = DeliveryState.Dead, Status = dead.Status, Reason = dead.Reason, EndedAt = now },
        _ => throw new InvalidOperationException("A verdict is Delivered, Again or Dead."),
    };

    /// <summary>A dead one begins anew, with its whole schedule.</summary>
    public Delivery Redriven(DateTimeOffset now) => this with { State = DeliveryState.Pending, Attempts = 0, NextAt = now, EndedAt = null };

    /// <summary>Where an invocation that has just ended is to be reported; null = nowhere. What its caller said goes before what its endpoint says; a cancelled one is reported to nobody.</summary>
    public static string? TargetOf(QueueItem ended, DestinationUse use)
    {
        var target = ended.State switch
        {
            QueueState.Succeeded => ended.OnSuccess ?? use.OnSuccess,
            QueueState.Failed or QueueState.Dead or QueueState.Expired => ended.OnFailure ?? use.OnFailure,
            _ => null,
        };
        return target == Destination.None ? null : target;
    }
}

/// <summary>Deliveries of one tenant to one destination: so many at once, so that one that hangs holds up nobody else.</summary>
public readonly record struct DeliveryLane(TenantId Tenant, string To);
