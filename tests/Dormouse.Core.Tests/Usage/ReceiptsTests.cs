using CsCheck;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;

namespace Dormouse.Core.Tests.Usage;

public sealed class ReceiptsTests
{
    private static readonly Guid Server = new("019a0000-0000-7000-8000-000000000001");
    private static readonly RevisionId Revision = new(new EndpointId(new Guid("019a0000-0000-7000-8000-000000000002")), 3);
    private static readonly InvocationOpening Opening = new(
        new InvocationId(new Guid("019a0000-0000-7000-8000-000000000003")), TenantId.Default, Revision, 17, DateTimeOffset.UnixEpoch, 512);

    [Fact]
    public void A_cold_call_says_where_its_time_went_and_what_it_cost()
    {
        var receipt = Receipts.Close(Server, 9, Opening, Grant(StartKind.Cold, StartCause.First), new InvocationEnd(Outcome.Completed, 200, 310, 290, 300), PriceBook.Default);

        Assert.Equal((Server, 9L, 17L), (receipt.ServerId, receipt.Sequence, receipt.Instance));
        Assert.Equal(new InvocationTimes(100, 2_900, 400, 310), receipt.Times);
        Assert.Equal((StartKind.Cold, StartCause.First, Rung.Pool), (receipt.Start, receipt.Cause, receipt.Rung));
        Assert.Equal((300L, 1L, 8_333L), (receipt.MeteredMicroseconds, receipt.BilledMilliseconds, receipt.PricePico));
    }

    [Fact]
    public void A_warm_call_has_no_cause_and_no_rung()
    {
        var receipt = Receipts.Close(Server, 9, Opening, Grant(StartKind.Warm, null), new InvocationEnd(Outcome.Completed, 200, 310, 0, 300), PriceBook.Default);

        Assert.Null(receipt.Cause);
        Assert.Null(receipt.Rung);
    }

    [Fact]
    public void What_an_overflow_address_ran_meters_nothing_and_costs_the_price_of_an_overflow()
    {
        var book = PriceBook.Default with { PicoPerInvocation = 5, PicoPerOverflow = 7 };
        var receipt = Receipts.Close(Server, 9, Opening, Grant(StartKind.Overflow, null), new InvocationEnd(Outcome.Completed, 200, 1_000, 0, 1_000), book);

        Assert.Equal((ReceiptLine.Overflow, StartKind.Overflow, 1_000L), (receipt.Line, receipt.Start, receipt.Times.RunMicroseconds));
        Assert.Equal((0L, 0L, 7L), (receipt.MeteredMicroseconds, receipt.BilledMilliseconds, receipt.PricePico));
    }

    [Fact]
    public void The_hop_to_the_instance_is_not_billed()
    {
        var receipt = Receipts.Close(Server, 9, Opening, Grant(StartKind.Warm, null), new InvocationEnd(Outcome.Completed, 200, 1_000, 0, 1_200), PriceBook.Default);

        Assert.Equal((1_000L, 1L), (receipt.MeteredMicroseconds, receipt.BilledMilliseconds));
    }

    [Fact]
    public void A_retried_call_names_the_instance_that_answered()
    {
        var receipt = Receipts.Close(
            Server, 9, Opening with { Instance = 16 }, Grant(StartKind.Warm, null), new InvocationEnd(Outcome.Completed, 200, 1, 0, 1), PriceBook.Default);

        Assert.Equal(17, receipt.Instance);
    }

    [Fact]
    public void A_lost_server_bills_nothing_even_with_a_price_per_invocation()
    {
        var book = PriceBook.Default with { PicoPerInvocation = 200_000 };

        var closed = Receipts.Close(Server, 9, Opening, Grant(StartKind.Warm, null), new InvocationEnd(Outcome.ServerLost, 0, 5_000, 0, 5_000), book);
        var found = Receipts.ServerLost(Server, 9, Opening);

        Assert.Equal((0L, 0L, 0L), (closed.MeteredMicroseconds, closed.BilledMilliseconds, closed.PricePico));
        Assert.Equal((Outcome.ServerLost, 0L, 0L), (found.Outcome, found.BilledMilliseconds, found.PricePico));
        Assert.Equal((Opening.Invocation, 9L, 17L, 512), (found.Invocation, found.Sequence, found.Instance, found.MemoryMib));
    }

    [Theory]
    [InlineData(Outcome.WorkerCrashed)]
    [InlineData(Outcome.MemoryExceeded)]
    [InlineData(Outcome.DeadlineExceeded)]
    [InlineData(Outcome.CallerLeft)]
    [InlineData(Outcome.Rejected)]
    [InlineData(Outcome.Failed)]
    public void Every_other_outcome_pays_for_what_ran(Outcome outcome)
    {
        var receipt = Receipts.Close(Server, 9, Opening, Grant(StartKind.Warm, null), new InvocationEnd(outcome, 502, 2_500, 0, 2_500), PriceBook.Default);

        Assert.Equal(3, receipt.BilledMilliseconds);
        Assert.Equal(25_000, receipt.PricePico);
    }

    [Fact]
    public void A_run_on_a_provisioned_instance_says_so_and_has_its_price()
    {
        var grant = Grant(StartKind.Warm, null);
        var receipt = Receipts.Close(
            Server, 9, Opening, grant with { Lease = grant.Lease with { IsProvisioned = true } }, new InvocationEnd(Outcome.Completed, 200, 1_000_000, 0, 1_000_000), PriceBook.Default);

        Assert.Equal((ReceiptLine.Provisioned, 9_722_241L / 2 + 1), (receipt.Line, receipt.PricePico));
    }

    [Fact]
    public void Provisioned_time_is_billed_in_whole_milliseconds_and_waited_for_nothing()
    {
        var opening = Opening with { Line = ReceiptLine.ProvisionedTime, Instance = 0 };

        var receipt = Receipts.ProvisionedTime(Server, 9, opening, 599_999_001, PriceBook.Default);

        Assert.Equal((ReceiptLine.ProvisionedTime, Outcome.Completed, 599_999_001L, 600_000L), (receipt.Line, receipt.Outcome, receipt.MeteredMicroseconds, receipt.BilledMilliseconds));
        Assert.Equal(300L * 4_166_675, receipt.PricePico);
        Assert.Equal(default, receipt.Times);
    }

    [Fact]
    public void What_a_crash_leaves_open_keeps_its_line_and_is_billed_nothing()
    {
        var receipt = Receipts.ServerLost(Server, 9, Opening with { Line = ReceiptLine.ProvisionedTime });

        Assert.Equal((ReceiptLine.ProvisionedTime, Outcome.ServerLost, 0L), (receipt.Line, receipt.Outcome, receipt.PricePico));
    }

    [Fact]
    public void Queue_start_and_load_sum_to_the_whole_wait_in_microseconds() =>
        Gen.Select(Gen.Long[0, 1_000_000], Gen.Long[0, 1_000_000], Gen.Long[0, 1_000_000]).Sample((queue, start, load) =>
        {
            var grant = Grant(StartKind.Cold, StartCause.Idle) with { Queue = new TimeSpan(queue), Start = new TimeSpan(start), Load = new TimeSpan(load) };

            var times = Receipts.Close(Server, 1, Opening, grant, new InvocationEnd(Outcome.Completed, 200, 1, 0, 1), PriceBook.Default).Times;

            Assert.Equal((queue + start + load) / 10, times.QueueMicroseconds + times.StartMicroseconds + times.LoadMicroseconds);
            Assert.True(times.QueueMicroseconds >= 0);
        });

    [Fact]
    public void The_wait_in_the_instance_for_a_shared_run_is_queue_time_and_not_billed()
    {
        var end = new InvocationEnd(Outcome.Completed, 200, 300, 0, 1_000) { WaitMicroseconds = 2_000 };

        var receipt = Receipts.Close(Server, 1, Opening, Grant(StartKind.Cold, StartCause.First), end, PriceBook.Default);

        Assert.Equal(new InvocationTimes(2_100, 2_900, 400, 300), receipt.Times);
        Assert.Equal(300, receipt.MeteredMicroseconds);
    }

    private static SlotGrant Grant(StartKind kind, StartCause? cause) => new(
        1, new SlotLease(1, new InstanceId(Revision, 17), "/run/i17", 17), kind, cause, Rung.Pool,
        TimeSpan.FromMicroseconds(100), TimeSpan.FromMicroseconds(2_900), TimeSpan.FromMicroseconds(400));
}
