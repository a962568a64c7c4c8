using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Queues;

/// <summary>What of a queue only a real store can show.</summary>
public abstract class LeaseSuite : StoreTests
{
    private static readonly Guid Server = CountingIds.Id(71);

    private static readonly EndpointId Endpoint = new(CountingIds.Id(5));

    [Fact]
    public async Task The_answer_the_receipt_and_the_acknowledgement_of_an_attempt_are_one_transaction()
    {
        await using var storage = await Folder.OpenAsync();
        var leased = await AcceptAndLeaseAsync(storage);
        var opening = Samples.Opening(1) with { Invocation = leased.Item.Id };
        var receipt = Samples.Receipt(storage.ServerId, 1, opening);

        Assert.True(await storage.Queue.EndAsync(
            leased.Item.Lease, new QueueVerdict.Finished(QueueState.Succeeded, new StoredAnswer(200, [], "7"u8.ToArray()), null), receipt, Samples.Noon, Cancellation));

        Assert.Equal(QueueState.Succeeded, (await storage.Queue.FindAsync(TenantId.Default, leased.Item.Id, Cancellation))!.State);
        Assert.Equal("7"u8.ToArray(), (await storage.Queue.AnswerAsync(TenantId.Default, leased.Item.Id, Cancellation))!.Body.ToArray());
        Assert.Equal(receipt, await storage.Ledger.FindAsync(TenantId.Default, leased.Item.Id, Cancellation));

        // The journal brings the same receipt later; it counts once.
        await storage.Ledger.AppendAsync([receipt], Cancellation);
        Assert.Equal(1, Assert.Single(await storage.Ledger.TotalsAsync(TenantId.Default, null, Samples.Noon, Samples.Noon.AddHours(1), Cancellation)).Invocations);
        Assert.Empty(await storage.Ledger.CheckAsync(null, Cancellation));
    }

    [Fact]
    public async Task Who_lost_its_lease_cannot_end_the_item_and_its_receipt_is_kept()
    {
        await using var storage = await Folder.OpenAsync();
        var first = await AcceptAndLeaseAsync(storage);
        await storage.Queue.TakeOverAsync(CountingIds.Id(72), null, Samples.Noon, Cancellation);
        var second = Assert.Single((await storage.Queue.LeaseAsync(CountingIds.Id(72), [new LeaseWish(Endpoint, 1)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation)).Items);
        var receipt = Samples.Receipt(storage.ServerId, 1, Samples.Opening(1) with { Invocation = first.Item.Id });

        var isEnded = await storage.Queue.EndAsync(
            first.Item.Lease, new QueueVerdict.Finished(QueueState.Succeeded, new StoredAnswer(200, [], "first"u8.ToArray()), null), receipt, Samples.Noon, Cancellation);

        Assert.False(isEnded);
        Assert.Equal(first.Item.Fence + 1, second.Item.Fence);
        Assert.Null(await storage.Queue.AnswerAsync(TenantId.Default, first.Item.Id, Cancellation));
        Assert.Equal(QueueState.Leased, (await storage.Queue.FindAsync(TenantId.Default, first.Item.Id, Cancellation))!.State);
        Assert.Equal(receipt, await storage.Ledger.FindAsync(TenantId.Default, first.Item.Id, Cancellation));
    }

    [Fact]
    public async Task An_accepted_item_is_there_after_the_store_was_opened_again()
    {
        InvocationId id;
        await using (var storage = await Folder.OpenAsync())
        {
            id = (await AcceptAndLeaseAsync(storage)).Item.Id;
        }

        await using var again = await Folder.OpenAsync();
        Assert.Empty(await again.Queue.TakeOverAsync(CountingIds.Id(72), null, Samples.Noon, Cancellation));

        var leased = Assert.Single((await again.Queue.LeaseAsync(CountingIds.Id(72), [new LeaseWish(Endpoint, 5)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation)).Items);
        Assert.Equal((id, 2), (leased.Item.Id, leased.Item.Attempts));
        Assert.Equal("body"u8.ToArray(), leased.Body.ToArray());
    }

    private static async Task<LeasedItem> AcceptAndLeaseAsync(StorageSet storage)
    {
        var item = Samples.Queued(500, Endpoint);
        Assert.IsType<Acceptance.Accepted>(await storage.Queue.AcceptAsync(new NewQueueItem(item, "body"u8.ToArray(), null), 10, Cancellation));
        return Assert.Single((await storage.Queue.LeaseAsync(Server, [new LeaseWish(Endpoint, 1)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation)).Items);
    }
}
