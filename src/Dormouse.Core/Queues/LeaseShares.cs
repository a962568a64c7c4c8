using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Queues;

/// <summary>How many items of an endpoint a server would like to take.</summary>
public readonly record struct LeaseWish(EndpointId Endpoint, int Count);

/// <summary>What an endpoint has and can do.</summary>
/// <param name="Queued">Items that wait in the store.</param>
/// <param name="InFlight">Items that this server has already.</param>
/// <param name="Capacity">Items that may be in flight: what all its instances together could run at once, and who waits for the next free slot.</param>
/// <param name="Allowed">Items that may be taken now, whatever runs: its rate.</param>
public readonly record struct LeaseDemand(EndpointId Endpoint, long Queued, int InFlight, int Capacity, int Allowed = int.MaxValue);

/// <summary>Divides what a server may still take among the endpoints that have work.</summary>
public static class LeaseShares
{
    /// <summary>
    /// Of each endpoint only as many items are taken as could run: they wait in its dispatcher, which starts instances for them, and no more. What the server may take in all is
    /// dealt out one by one in turn, so that an endpoint with a million items leaves room for one with three.
    /// </summary>
    /// <param name="room">Items that the server may still take, 0 or more.</param>
    /// <param name="demands">In the order in which they are dealt to.</param>
    public static ImmutableArray<LeaseWish> Divide(int room, IReadOnlyList<LeaseDemand> demands)
    {
        var given = new int[demands.Count];
        for (var isDealing = room > 0; isDealing;)
        {
            isDealing = false;
            for (var i = 0; i < given.Length && room > 0; i++)
            {
                var (_, queued, inFlight, capacity, allowed) = demands[i];
                if (given[i] < queued && given[i] < allowed && inFlight + given[i] < capacity)
                {
                    given[i]++;
                    room--;
                    isDealing = true;
                }
            }
        }

        return [.. demands.Select((d, i) => new LeaseWish(d.Endpoint, given[i])).Where(w => w.Count > 0)];
    }
}
