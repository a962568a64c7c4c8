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
    public void Whatever_is_there_nothing_is_taken_twice_and_no_room_is_left_that_could_be_used()
    {
        Gen.Select(Gen.Int[0, 40], Gen.Select(Gen.Long[0, 20], Gen.Int[0, 10], Gen.Int[0, 12]).Array[0, 6]).Sample((room, rows) =>
        {
            var demands = rows.Select((r, i) => Demand(i, r.Item1, r.Item2, r.Item3)).ToList();

            var counts = LeaseShares.Divide(room, demands).ToDictionary(w => w.Endpoint, w => w.Count);

            var possible = demands.ToDictionary(d => d.Endpoint, d => (int)Math.Min(d.Queued, Math.Max(0, d.Capacity - d.InFlight)));
            Assert.Equal(Math.Min(room, possible.Values.Sum()), counts.Values.Sum());
            Assert.All(counts, c => Assert.InRange(c.Value, 1, possible[c.Key]));
        });
    }

    private static LeaseDemand Demand(int endpoint, long queued, int inFlight, int capacity) =>
        new(new EndpointId(new Guid(endpoint, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), queued, inFlight, capacity);
}
