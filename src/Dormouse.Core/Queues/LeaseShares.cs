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
/// <param name="PaidIdle">Slots of provisioned instances that are free now: they cost the same whether anything runs on them or not.</param>
public readonly record struct LeaseDemand(EndpointId Endpoint, long Queued, int InFlight, int Capacity, int Allowed = int.MaxValue, int PaidIdle = 0);

/// <summary>Divides what a server may still take among the endpoints that have work.</summary>
public static class LeaseShares
{
    /// <summary>
    /// Of each endpoint only as many items are taken as could run: they wait in its dispatcher, which starts instances for them, and no more. What the server may take in all is
    /// dealt out one by one in turn, so that an endpoint with a million items leaves room for one with three; first to those with slots that are paid for and idle, as many as these are.
    /// </summary>
    /// <param name="room">Items that the server may still take, 0 or more.</param>
    /// <param name="demands">In the order in which they are dealt to.</param>
    public static ImmutableArray<LeaseWish> Divide(int room, IReadOnlyList<LeaseDemand> demands)
    {
        var given = new int[demands.Count];
        room = Deal(room, demands, given, d => d.PaidIdle);
        Deal(room, demands, given, _ => int.MaxValue);
        return [.. demands.Select((d, i) => new LeaseWish(d.Endpoint, given[i])).Where(w => w.Count > 0)];
    }

    /// <summary>One by one in turn, to each at most as many in all as <paramref name="bound"/> says. Returns the room that is left.</summary>
    private static int Deal(int room, IReadOnlyList<LeaseDemand> demands, int[] given, Func<LeaseDemand, int> bound)
    {
        for (var isDealing = room > 0; isDealing;)
        {
            isDealing = false;
            for (var i = 0; i < given.Length && room > 0; i++)
            {
                var demand = demands[i];
                if (given[i] < demand.Queued && given[i] < demand.Allowed && given[i] < bound(demand) && demand.InFlight + given[i] < demand.Capacity)
                {
                    given[i]++;
                    room--;
                    isDealing = true;
                }
            }
        }

        return room;
    }
}
