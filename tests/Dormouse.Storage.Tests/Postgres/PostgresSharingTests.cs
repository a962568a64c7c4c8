using System.Collections.Concurrent;
using System.Threading.Channels;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Core.Sharing;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Postgres;

/// <summary>Two servers, each with a folder of its own, on one database.</summary>
public sealed class PostgresSharingTests(PostgresFixture postgres) : StoreTests
{
    private readonly TestFolder _other = new();

    private protected override async Task<PostgresAddress?> NewAddressAsync()
    {
        var address = await postgres.NewAddressAsync();
        _other.Options = _other.Options with { Postgres = address };
        return address;
    }

    [Fact]
    public async Task Each_item_is_taken_by_one_server_and_counted_once_while_both_accept_and_take()
    {
        const int ItemsOfEach = 60;
        await using var first = await Folder.OpenAsync();
        await using var second = await OpenOtherAsync();
        var taken = new ConcurrentBag<InvocationId>();

        await Task.WhenAll(new[] { (first, 1_000, 71), (second, 2_000, 72) }.SelectMany(server => (Task[])[AcceptAsync(server.Item1, server.Item2), TakeAsync(server.Item1, server.Item3)]));

        Assert.Equal(2 * ItemsOfEach, taken.Distinct().Count());
        Assert.Equal(2 * ItemsOfEach, taken.Count);
        Assert.Empty(await first.Queue.DepthsAsync(Samples.Noon, Cancellation));

        async Task AcceptAsync(StorageSet storage, int number) => await Task.WhenAll(Enumerable.Range(number, ItemsOfEach).Select(i => storage.Queue.AcceptAsync(Item(i), 1_000, Cancellation)));

        async Task TakeAsync(StorageSet storage, int owner)
        {
            while (taken.Count < 2 * ItemsOfEach)
            {
                var leased = await storage.Queue.LeaseAsync(CountingIds.Id(owner), [new LeaseWish(Samples.Endpoint, 5)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation);
                foreach (var item in leased.Items)
                {
                    taken.Add(item.Item.Id);
                    Assert.True(await storage.Queue.EndAsync(item.Item.Lease, new QueueVerdict.Finished(QueueState.Succeeded, null, null), null, Samples.Noon, Cancellation));
                }
            }
        }
    }

    [Fact]
    public async Task What_a_server_that_ended_had_taken_is_taken_by_another_when_its_lease_is_over()
    {
        await using var first = await Folder.OpenAsync();
        await using var second = await OpenOtherAsync();
        Assert.True(first.Queue.IsShared);
        await first.Queue.AcceptAsync(Item(1), 10, Cancellation);
        var lost = Assert.Single((await LeaseAsync(first, 71, Samples.Noon)).Items);

        await second.Queue.TakeOverAsync(CountingIds.Id(72), Samples.Noon, Samples.Noon, Cancellation);
        Assert.Empty((await LeaseAsync(second, 72, Samples.Noon)).Items);
        await second.Queue.TakeOverAsync(CountingIds.Id(72), Samples.Noon.AddMinutes(1), Samples.Noon.AddMinutes(1), Cancellation);
        var again = Assert.Single((await LeaseAsync(second, 72, Samples.Noon.AddMinutes(1))).Items);

        Assert.Equal((lost.Item.Id, 2), (again.Item.Id, again.Item.Attempts));
        Assert.False(await first.Queue.EndAsync(lost.Item.Lease, new QueueVerdict.Finished(QueueState.Succeeded, null, null), null, Samples.Noon, Cancellation));
        Assert.True(await second.Queue.EndAsync(again.Item.Lease, new QueueVerdict.Finished(QueueState.Succeeded, null, null), null, Samples.Noon, Cancellation));
    }

    [Fact]
    public async Task Totals_and_numbers_of_revisions_are_right_when_both_write_at_once()
    {
        await using var first = await Folder.OpenAsync();
        await using var second = await OpenOtherAsync();
        Assert.NotEqual(first.ServerId, second.ServerId);

        var entries = await Task.WhenAll(Enumerable.Range(1, 30).SelectMany(i => new[] { first, second }.Select(async storage =>
        {
            await storage.Ledger.AppendAsync([Samples.Receipt(storage.ServerId, i, Samples.Opening(i))], Cancellation);
            return await storage.Catalogue.AddRevisionAsync(Samples.Revision(), Samples.Endpoint, Samples.Noon, Cancellation);
        })));

        Assert.Equal(Enumerable.Range(1, 60), entries.Select(e => e.Revisions[^1].Id.Number).Order());
        Assert.Equal(60, (await second.Ledger.TotalsAsync(TenantId.Default, null, Samples.Noon, Samples.Noon.AddHours(1), Cancellation)).Sum(t => t.Invocations));
        Assert.Empty(await first.Ledger.CheckAsync(null, Cancellation));
    }

    [Fact]
    public async Task Invocations_of_an_endpoint_that_only_the_other_server_knows_are_not_cancelled()
    {
        await using var first = await Folder.OpenAsync();
        await using var second = await OpenOtherAsync();
        await first.Catalogue.AddRevisionAsync(Samples.Revision(), Samples.Endpoint, Samples.Noon, Cancellation);
        await first.Queue.AcceptAsync(Item(1), 10, Cancellation);

        Assert.Empty(await second.Queue.CancelAllAsync(Samples.Endpoint, "its endpoint was deleted", Samples.Noon, 10, Cancellation));
        await first.Catalogue.DeleteAsync(Samples.Endpoint, Cancellation);
        Assert.Single(await second.Queue.CancelAllAsync(Samples.Endpoint, "its endpoint was deleted", Samples.Noon, 10, Cancellation));
    }

    [Fact]
    public async Task Each_server_is_told_what_was_changed_since_it_opened_and_who_did_it()
    {
        await using var first = await Folder.OpenAsync();
        await first.Catalogue.AddRevisionAsync(Samples.Revision(), Samples.Endpoint, Samples.Noon, Cancellation);
        await using var second = await OpenOtherAsync();
        await first.Catalogue.SetPublicAsync(Samples.Endpoint, true, Cancellation);
        await second.Catalogue.DeleteAsync(Samples.Endpoint, Cancellation);
        await first.Keys.RemoveAsync(TenantId.Default, "never-was", Cancellation);

        var endpoint = Samples.Endpoint.ToString();
        var (news, stop) = Follow(second);
        Assert.Equal(
            [new SharedChange(SharedKind.Endpoint, endpoint, IsOwn: false), new SharedChange(SharedKind.Endpoint, endpoint, IsOwn: true)],
            (await news.ReadAsync(Cancellation)).Changes);
        await stop();
    }

    [Fact]
    public async Task What_could_not_be_applied_is_told_again()
    {
        await using var first = await Folder.OpenAsync();
        await using var second = await OpenOtherAsync();
        await first.Catalogue.AddRevisionAsync(Samples.Revision(), Samples.Endpoint, Samples.Noon, Cancellation);

        var told = Channel.CreateUnbounded<SharedNews>();
        using var ending = new CancellationTokenSource();
        var hasFailed = false;
        var following = second.Sharing.FollowAsync(
            news =>
            {
                told.Writer.TryWrite(news);
                if (!hasFailed)
                {
                    hasFailed = true;
                    throw new IOException("the first time it cannot be done");
                }

                return Task.CompletedTask;
            },
            _ => { },
            ending.Token);
        var before = await told.Reader.ReadAsync(Cancellation);
        _other.Time.Advance(TimeSpan.FromSeconds(1));
        var again = told.Reader.ReadAsync(Cancellation).AsTask();
        while (!again.IsCompleted)
        {
            // The pause may begin a moment after the failure.
            _other.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        Assert.Equal(before.Changes, (await again).Changes);
        await ending.CancelAsync();
        await following;
    }

    [Fact]
    public async Task Of_all_servers_one_is_the_owner_and_another_when_it_leaves()
    {
        await using var first = await Folder.OpenAsync();
        await using var second = await OpenOtherAsync();
        var (ofFirst, stopFirst) = Follow(first);
        Assert.True((await ofFirst.ReadAsync(Cancellation)).OwnerChanged);
        Assert.True(first.Sharing.IsOwner);
        var (ofSecond, stopSecond) = Follow(second);
        await first.Catalogue.AddRevisionAsync(Samples.Revision(), Samples.Endpoint, Samples.Noon, Cancellation);
        Assert.False((await ofSecond.ReadAsync(Cancellation)).OwnerChanged);
        Assert.False(second.Sharing.IsOwner);

        await stopFirst();
        await first.Sharing.LeaveAsync();
        Assert.False(first.Sharing.IsOwner);
        while (!(await ofSecond.ReadAsync(Cancellation)).OwnerChanged)
        {
        }

        Assert.True(second.Sharing.IsOwner);

        // One that has not heard of the database for a while cannot know whether it still is.
        _other.Time.Advance(TimeSpan.FromSeconds(6));
        Assert.False(second.Sharing.IsOwner);
        await stopSecond();
    }

    private static (ChannelReader<SharedNews> News, Func<Task> Stop) Follow(StorageSet storage)
    {
        var told = Channel.CreateUnbounded<SharedNews>();
        var ending = new CancellationTokenSource();
        var following = storage.Sharing.FollowAsync(
            news =>
            {
                told.Writer.TryWrite(news);
                return Task.CompletedTask;
            },
            _ => { },
            ending.Token);
        return (told.Reader, async () =>
        {
            await ending.CancelAsync();
            await following;
            ending.Dispose();
        }
        );
    }

    private static Task<LeasedItems> LeaseAsync(StorageSet storage, int owner, DateTimeOffset now) =>
        storage.Queue.LeaseAsync(CountingIds.Id(owner), [new LeaseWish(Samples.Endpoint, 5)], now, now.AddMinutes(1), Cancellation);

    private static NewQueueItem Item(int number) => new(Samples.Queued(number, Samples.Endpoint), "body"u8.ToArray(), null);

    /// <summary>Its folder draws ids of its own.</summary>
    private async Task<StorageSet> OpenOtherAsync()
    {
        _other.Ids.NewId();
        return await _other.OpenAsync();
    }
}
