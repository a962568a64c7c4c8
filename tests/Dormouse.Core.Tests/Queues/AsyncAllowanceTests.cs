using CsCheck;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Core.Tests.Queues;

public sealed class AsyncAllowanceTests
{
    [Fact]
    public void One_may_be_taken_at_once_and_then_one_each_time_its_part_of_a_second_has_passed()
    {
        var full = AsyncAllowance.Full(4);
        var empty = full.Less(1);

        Assert.Equal((1, 0), (full.Whole, empty.Whole));
        Assert.Equal(TimeSpan.FromMilliseconds(250), empty.Wait(4));
        Assert.Equal(0, empty.After(TimeSpan.FromMilliseconds(249), 4).Whole);
        Assert.Equal(1, empty.After(TimeSpan.FromMilliseconds(250), 4).Whole);
        Assert.Equal(1, empty.After(TimeSpan.FromHours(1), 4).Whole);
        Assert.Equal(100, AsyncAllowance.Full(1000).Whole);
        Assert.Equal(TimeSpan.FromSeconds(1000), AsyncAllowance.Full(0.001).Less(1).Wait(0.001));
    }

    [Fact]
    public void Over_any_time_no_more_are_taken_than_the_rate_and_one_bucket()
    {
        Gen.Select(Gen.Double[0.1, 500], Gen.Int[1, 400].Array[1, 200]).Sample((rate, steps) =>
        {
            var allowance = AsyncAllowance.Full(rate);
            var (taken, seconds) = (0L, 0.0);
            foreach (var milliseconds in steps)
            {
                allowance = allowance.After(TimeSpan.FromMilliseconds(milliseconds), rate);
                seconds += milliseconds / 1000.0;
                taken += allowance.Whole;
                allowance = allowance.Less(allowance.Whole);
            }

            return taken <= (rate * seconds) + Math.Max(1, rate / 10) + 1e-6;
        });
    }

    [Fact]
    public void What_is_not_allowed_now_is_left_to_others()
    {
        var (slow, other) = (new EndpointId(new Guid(1, 0, 0, new byte[8])), new EndpointId(new Guid(2, 0, 0, new byte[8])));

        var wishes = LeaseShares.Divide(10, [new LeaseDemand(slow, 100, 0, 100, Allowed: 2), new LeaseDemand(other, 100, 0, 100)]);

        Assert.Equal([new LeaseWish(slow, 2), new LeaseWish(other, 8)], wishes);
    }
}
