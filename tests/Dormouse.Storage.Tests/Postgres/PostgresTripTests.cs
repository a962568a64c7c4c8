using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Sql;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Postgres;

/// <summary>How often a transaction of the queue waits for the database: once for all that it asks, and once for its end, however many items it is for.</summary>
public sealed class PostgresTripTests(PostgresFixture postgres) : StoreTests
{
    private static readonly Guid Server = CountingIds.Id(71);

    private static readonly EndpointId Other = new(CountingIds.Id(901));

    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    public async Task Items_that_run_at_once_are_accepted_in_two_trips_and_end_in_two(int count)
    {
        using var session = await OpenAsync();
        var items = Enumerable.Range(1, count).Select(i => Item(i, i % 2 == 0 ? Other : Samples.Endpoint)).ToList();

        IReadOnlyList<Acceptance> accepted = [];
        var accepting = Trips(session, () => accepted = QueueAcceptance.AcceptAll(session, [.. items.Select(i => new NewWish(
            new NewQueueItem(i, "body"u8.ToArray(), new IdempotencyKey(i.Id.ToString(), new byte[32], Samples.Noon.AddHours(1))) { AtOnce = new LeaseAtOnce(Server, Samples.Noon.AddMinutes(1)) }, 100))]));
        var leases = accepted.Select(a => Assert.IsType<Acceptance.Accepted>(a).Leased!.Lease).ToList();
        bool[] ended = [];
        var ending = Trips(session, () => ended = QueueEnds.EndAll(session, [.. leases.Select((l, i) => new AttemptOutcome(
            l, new QueueVerdict.Finished(QueueState.Succeeded, new StoredAnswer(200, [], "7"u8.ToArray()), null), Samples.Receipt(Server, i + 1, Samples.Opening(i + 1) with { Invocation = l.Id }), Samples.Noon))]));

        Assert.Equal((2, 2), (accepting, ending));
        Assert.DoesNotContain(false, ended);
        Assert.Equal(count, session.Number("SELECT COUNT(*) FROM queue_items WHERE state = 'succeeded'"));
        Assert.Equal(count, session.Number("SELECT COUNT(*) FROM receipts"));
        Assert.Empty(SqlLedger.Check(session, long.MinValue, Cancellation));
    }

    [Fact]
    public async Task What_is_due_of_all_priorities_and_endpoints_is_taken_in_two_trips_in_its_order()
    {
        using var session = await OpenAsync();
        QueueItem[] items =
        [
            Item(1, Samples.Endpoint) with { Priority = QueuePriority.Low },
            Item(2, Samples.Endpoint) with { NotBefore = Samples.Noon.AddSeconds(-1) },
            Item(3, Samples.Endpoint) with { NotBefore = Samples.Noon.AddSeconds(-2) },
            Item(4, Samples.Endpoint) with { Priority = QueuePriority.High, NotBefore = Samples.Noon.AddSeconds(9) },
            Item(5, Samples.Endpoint) with { Priority = QueuePriority.High },
            Item(6, Samples.Endpoint) with { ExpiresAt = Samples.Noon },
            Item(7, Other),
            Item(8, Other) with { NotBefore = Samples.Noon.AddSeconds(7) },
        ];
        Trips(session, () => QueueAcceptance.AcceptAll(session, [.. items.Select(i => new NewWish(new NewQueueItem(i, "body"u8.ToArray(), null), 100))]));

        LeasedItems taken = new([], null);
        var first = Trips(session, () => taken = QueueLeases.Take(session, Server, [new LeaseWish(Samples.Endpoint, 3), new LeaseWish(Other, 5)], Samples.Noon, Samples.Noon.AddMinutes(1)));
        LeasedItems rest = new([], null);
        var second = Trips(session, () => rest = QueueLeases.Take(session, Server, [new LeaseWish(Samples.Endpoint, 1_000)], Samples.Noon, Samples.Noon.AddMinutes(1)));

        Assert.Equal((2, 2), (first, second));
        Assert.Equal(new[] { 5, 3, 2, 7 }.Select(n => items[n - 1].Id), taken.Items.Select(i => i.Item.Id));
        Assert.Equal(Samples.Noon.AddSeconds(7), taken.NextDue);
        Assert.Equal((items[0].Id, Samples.Noon.AddSeconds(9)), (Assert.Single(rest.Items).Item.Id, rest.NextDue));
    }

    private async Task<PostgresSession> OpenAsync()
    {
        // Makes the schema.
        await (await Folder.OpenAsync()).DisposeAsync();
        var session = new PostgresSession(Folder.Options.Postgres!);
        session.Number("SELECT 1");
        return session;
    }

    private static long Trips(PostgresSession session, Action operations)
    {
        var before = session.Trips;
        session.Begin();
        operations();
        session.Commit();
        return session.Trips - before;
    }

    private static QueueItem Item(int number, EndpointId endpoint) => Samples.Queued(10_000 + number, endpoint);
}
