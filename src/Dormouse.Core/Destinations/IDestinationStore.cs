using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Destinations;

/// <summary>Which deliveries a list shows; null = any.</summary>
/// <param name="Before">Number of the last one of the page before.</param>
public sealed record DeliveryFilter(TenantId Tenant, string? To, DeliveryState? State, long? Before, int Limit);

/// <summary>How many deliveries of a lane a server would like to begin.</summary>
public readonly record struct DeliveryWish(DeliveryLane Lane, int Count);

/// <param name="NextAt">When the earliest of the lane may be tried.</param>
public readonly record struct DueLane(DeliveryLane Lane, DateTimeOffset NextAt);

/// <summary>
/// Destinations, which endpoints use them, and what is on its way to them. Each method is one transaction. A delivery comes into being in the queue's own transaction that ends its
/// invocation (<see cref="Delivery.TargetOf"/>), and goes when the invocation goes; an invocation is kept while one of its deliveries is pending.
/// </summary>
public interface IDestinationStore
{
    Task<Destination?> FindAsync(TenantId tenant, string name, CancellationToken cancellationToken);

    /// <summary>In order of name.</summary>
    Task<ImmutableArray<Destination>> ListAsync(TenantId tenant, CancellationToken cancellationToken);

    /// <summary>False when the tenant has one of that name.</summary>
    Task<bool> AddAsync(Destination destination, CancellationToken cancellationToken);

    /// <summary>Replaces it by what <paramref name="change"/> makes of it. Null when the tenant has none of that name.</summary>
    Task<Destination?> ChangeAsync(TenantId tenant, string name, Func<Destination, Destination> change, CancellationToken cancellationToken);

    Task<bool> RemoveAsync(TenantId tenant, string name, CancellationToken cancellationToken);

    Task<DestinationUse> UseAsync(EndpointId endpoint, CancellationToken cancellationToken);

    /// <summary>Ends with its endpoint.</summary>
    Task SetUseAsync(EndpointId endpoint, DestinationUse use, CancellationToken cancellationToken);

    /// <summary>Endpoints of the tenant that use the destination.</summary>
    Task<ImmutableArray<EndpointId>> UsersAsync(TenantId tenant, string reference, CancellationToken cancellationToken);

    /// <summary>Some endpoint uses a destination, or a delivery is pending.</summary>
    Task<bool> IsAnyAsync(CancellationToken cancellationToken);

    /// <summary>Every lane that has a pending delivery.</summary>
    Task<ImmutableArray<DueLane>> LanesAsync(CancellationToken cancellationToken);

    /// <summary>Begins attempts of deliveries that may be tried at <paramref name="now"/>: of each lane at most as many as wished, the longest due first.</summary>
    Task<ImmutableArray<Delivery>> TakeAsync(IReadOnlyList<DeliveryWish> wishes, DateTimeOffset now, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>Stores what became of the attempt that <paramref name="taken"/> began, and disables its destination when the verdict says so. False when a later attempt has begun.</summary>
    Task<bool> EndAsync(Delivery taken, DeliveryVerdict verdict, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Those of one invocation, oldest first.</summary>
    Task<ImmutableArray<Delivery>> OfAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken);

    /// <summary>Newest first.</summary>
    Task<ImmutableArray<Delivery>> ListAsync(DeliveryFilter filter, CancellationToken cancellationToken);

    /// <summary>Begins at most <paramref name="limit"/> dead deliveries anew, the oldest first: the one with a number, those to one destination, or all of the tenant's.</summary>
    Task<int> RedriveAsync(TenantId tenant, long? number, string? to, DateTimeOffset now, int limit, CancellationToken cancellationToken);
}
