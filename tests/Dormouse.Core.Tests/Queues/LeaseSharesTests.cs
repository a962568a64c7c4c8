using CsCheck;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Core.Tests.Queues;

public sealed class LeaseSharesTests
{
    [Fact]
    public void A_deep_queue_leaves_room_for_a_short_one()
    {
        var wishes = LeaseShares.Divide(10, [Demand(1, 1_000_000, 0, 100), Demand(2, 3, 0, 100)]);

        Assert.Equal([7, 3], wishes.Select(w => w.Count));
    }

    [Fact]
    public void No_more_is_taken_than_could_run()
    {
        var wishes = LeaseShares.Divide(100, [Demand(1, 50, 6, 8), Demand(2, 50, 9, 8), Demand(3, 50, 0, 0)]);

        Assert.Equal((1, 2), (Assert.Single(wishes).Endpoint.Value.ToByteArray()[0], wishes[0].Count));
    }

    [Fact]
    public void Slots_that_are_paid_for_and_idle_are_filled_before_anybody_else_gets_room()
    {
        var wishes = LeaseShares.Divide(5, [Demand(1, 1_000_000, 0, 100), Demand(2, 50, 0, 100) with { PaidIdle = 3 }, Demand(3, 1, 0, 100) with { PaidIdle = 4 }]);

        Assert.Equal([1, 3, 1], wishes.Select(w => w.Count));
        Assert.Equal(2, Assert.Single(LeaseShares.Divide(9, [Demand(1, 50, 6, 8) with { PaidIdle = 5 }])).Count);
    }

    [Fact]
    public void Whatever_is_there_nothing_is_taken_twice_and_no_room_is_left_that_could_be_used()
    {
        Gen.Select(Gen.Int[0, 40], Gen.Select(Gen.Long[0, 20], Gen.Int[0, 10], Gen.Int[0, 12], Gen.Int[0, 6]).Array[0, 6]).Sample((room, rows) =>
        {
            var demands = rows.Select((r, i) => Demand(i, r.Item1, r.Item2, r.Item3) with { PaidIdle = r.Item4 }).ToList();

            var counts = LeaseShares.Divide(room, demands).ToDictionary(w => w.Endpoint, w => w.Count);

            var possible = demands.ToDictionary(d => d.Endpoint, d => (int)Math.Min(d.Queued, Math.Max(0, d.Capacity - d.InFlight)));
            Assert.Equal(Math.Min(room, possible.Values.Sum()), counts.Values.Sum());
            Assert.All(counts, c => Assert.InRange(c.Value, 1, possible[c.Key]));
            // Nobody gets one for instances that may have to start while a slot that is paid for stays idle.
            var isUnfilled = demands.Exists(d => counts.GetValueOrDefault(d.Endpoint) < Math.Min(d.PaidIdle, possible[d.Endpoint]));
            Assert.False(isUnfilled && demands.Exists(d => counts.GetValueOrDefault(d.Endpoint) > d.PaidIdle));
        });
    }

    private static LeaseDemand Demand(int endpoint, long queued, int inFlight, int capacity) =>
        new(new EndpointId(new Guid(endpoint, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), queued, inFlight, capacity);
}
