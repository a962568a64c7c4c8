using Dormouse.Core.Queues;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Postgres;

/// <summary>Bodies of queued items, which no key of the database ties to their items.</summary>
public sealed class PostgresBodyTests(PostgresFixture postgres) : StoreTests
{
    private static readonly Guid Server = CountingIds.Id(71);

    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();

    [Theory]
    [InlineData(QueueState.Succeeded)]
    [InlineData(QueueState.Failed)]
    [InlineData(QueueState.Dead)]
    public async Task None_is_left_of_items_that_are_swept(QueueState end)
    {
        await using var storage = await Folder.OpenAsync();
        var item = Samples.Queued(10_001, Samples.Endpoint);
        await storage.Queue.AcceptAsync(new NewQueueItem(item, "body"u8.ToArray(), null), 100, Cancellation);
        var leased = await storage.Queue.LeaseAsync(Server, [new LeaseWish(Samples.Endpoint, 1)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation);
        var verdict = new QueueVerdict.Finished(end, new StoredAnswer(200, [], "7"u8.ToArray()), null);
        Assert.True(await storage.Queue.EndAsync(leased.Items[0].Item.Lease, verdict, null, Samples.Noon, Cancellation));
        using var session = new PostgresSession(Folder.Options.Postgres!);
        Assert.Equal(end == QueueState.Succeeded ? 0 : 1, session.Number("SELECT COUNT(*) FROM queue_bodies"));

        await storage.Queue.SweepAsync(Samples.Noon.AddHours(1), Samples.Noon.AddHours(1), 10, Cancellation);

        Assert.Equal(0, session.Number("SELECT COUNT(*) FROM queue_items"));
        Assert.Equal(0, session.Number("SELECT COUNT(*) FROM queue_bodies"));
    }
}
