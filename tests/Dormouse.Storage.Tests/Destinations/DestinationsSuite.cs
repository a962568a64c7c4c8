using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Queues;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Destinations;

/// <summary>Deliveries and triggers: what is one transaction with the queue's.</summary>
public abstract class DestinationsSuite : StoreTests
{
    private static readonly Guid Server = CountingIds.Id(71);

    private static readonly EndpointId Endpoint = new(CountingIds.Id(5));

    [Fact]
    public async Task Whatever_ends_an_invocation_makes_its_delivery_and_a_cancelled_one_has_none()
    {
        await using var storage = await Folder.OpenAsync();
        await storage.Destinations.SetUseAsync(Endpoint, new DestinationUse("good", "bad"), Cancellation);
        await AcceptAsync(storage, 1, i => i);
        await AcceptAsync(storage, 2, i => i);
        await AcceptAsync(storage, 3, i => i with { AttemptsMax = 1 });
        var leased = (await storage.Queue.LeaseAsync(Server, [new LeaseWish(Endpoint, 3)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation)).Items;
        await AcceptAsync(storage, 4, i => i with { ExpiresAt = Samples.Noon.AddSeconds(1), OnFailure = "mine" });
        await AcceptAsync(storage, 5, i => i);

        await storage.Queue.EndAsync(leased[0].Item.Lease, new QueueVerdict.Finished(QueueState.Succeeded, new StoredAnswer(200, [], "7"u8.ToArray()), null), null, Samples.Noon, Cancellation);
        await storage.Queue.EndAsync(leased[1].Item.Lease, new QueueVerdict.Again(Samples.Noon.AddHours(1), true, "again"), null, Samples.Noon, Cancellation);
        await storage.Queue.TakeOverAsync(CountingIds.Id(72), null, Samples.Noon, Cancellation);
        await storage.Queue.ExpireAsync(Samples.Noon.AddSeconds(2), 10, Cancellation);
        await storage.Queue.CancelAsync(TenantId.Default, Id(5), Samples.Noon, Cancellation);

        var made = await storage.Destinations.ListAsync(new DeliveryFilter(TenantId.Default, null, null, null, 10), Cancellation);
        Assert.Equal(
            [(Id(4), "mine", QueueState.Expired), (Id(3), "bad", QueueState.Dead), (Id(1), "good", QueueState.Succeeded)],
            made.Select(d => (d.Invocation, d.To, d.Outcome)));
        Assert.True(await storage.Destinations.IsAnyAsync(Cancellation));
        Assert.Equal(["bad", "good", "mine"], (await storage.Destinations.LanesAsync(Cancellation)).Select(l => l.Lane.To));
    }

    [Fact]
    public async Task An_attempt_counts_only_while_no_later_one_has_begun_and_a_410_disables_in_the_same_transaction()
    {
        await using var storage = await Folder.OpenAsync();
        await storage.Destinations.AddAsync(new Destination(TenantId.Default, "good", "http://example.com/", DestinationForm.Webhook, [.. new byte[24]], Samples.Noon), Cancellation);
        var lane = await EndedAsync(storage, 1);

        var first = Assert.Single(await storage.Destinations.TakeAsync([new DeliveryWish(lane, 5)], Samples.Noon, Samples.Noon.AddSeconds(90), Cancellation));
        Assert.Empty(await storage.Destinations.TakeAsync([new DeliveryWish(lane, 5)], Samples.Noon.AddSeconds(89), Samples.Noon.AddSeconds(180), Cancellation));
        var second = Assert.Single(await storage.Destinations.TakeAsync([new DeliveryWish(lane, 5)], Samples.Noon.AddSeconds(90), Samples.Noon.AddSeconds(180), Cancellation));

        Assert.False(await storage.Destinations.EndAsync(first, new DeliveryVerdict.Delivered(200), Samples.Noon, Cancellation));
        Assert.True(await storage.Destinations.EndAsync(second, new DeliveryVerdict.Dead(410, "gone", Disables: true), Samples.Noon, Cancellation));
        Assert.Equal((first.Id, 2), (second.Id, second.Attempts));
        Assert.Equal("gone", (await storage.Destinations.FindAsync(TenantId.Default, "good", Cancellation))!.DisabledReason);
        Assert.Equal(1, await storage.Destinations.RedriveAsync(TenantId.Default, second.Number, null, Samples.Noon, 10, Cancellation));
        Assert.Equal((DeliveryState.Pending, 0), (await storage.Destinations.OfAsync(TenantId.Default, Id(1), Cancellation)) is [var again] ? (again.State, again.Attempts) : default);
    }

    [Fact]
    public async Task An_invocation_is_kept_while_a_delivery_is_pending()
    {
        await using var storage = await Folder.OpenAsync();
        var lane = await EndedAsync(storage, 1);
        var later = Samples.Noon.AddDays(3);

        Assert.Equal(0, await storage.Queue.SweepAsync(later, later, 10, Cancellation));
        var taken = Assert.Single(await storage.Destinations.TakeAsync([new DeliveryWish(lane, 1)], later, later.AddSeconds(90), Cancellation));
        await storage.Destinations.EndAsync(taken, new DeliveryVerdict.Delivered(200), later, Cancellation);
        Assert.Equal(1, await storage.Queue.SweepAsync(later, later, 10, Cancellation));
        Assert.Empty(await storage.Destinations.ListAsync(new DeliveryFilter(TenantId.Default, null, null, null, 10), Cancellation));
    }

    [Fact]
    public async Task What_was_not_delivered_goes_when_its_invocation_runs_anew()
    {
        await using var storage = await Folder.OpenAsync();
        await EndedAsync(storage, 1, QueueState.Dead);

        await storage.Queue.RedriveAsync(TenantId.Default, Id(1), Samples.Noon, Samples.Noon.AddHours(1), Cancellation);

        Assert.Empty(await storage.Destinations.LanesAsync(Cancellation));
    }

    [Fact]
    public async Task A_triggers_mark_moves_with_what_it_queued_and_not_when_there_is_no_room()
    {
        await using var storage = await Folder.OpenAsync();
        var trigger = new Trigger
        {
            Id = new TriggerId(CountingIds.Id(400)),
            Tenant = TenantId.Default,
            Name = "nightly",
            Kind = "cron",
            Endpoint = "report",
            Source = System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty.Add("schedule", "0 3 * * *"),
            Filter = "{}",
            BatchWindow = TimeSpan.FromSeconds(3),
            Mark = "a",
            CreatedAt = Samples.Noon,
        };
        Assert.True(await storage.Triggers.AddAsync(trigger, Cancellation));
        Assert.False(await storage.Triggers.AddAsync(trigger with { Id = new TriggerId(CountingIds.Id(401)) }, Cancellation));
        var key = new IdempotencyKey("k", new byte[] { 1 }, Samples.Noon.AddHours(24));
        NewQueueItem Item(int number, string mark) => new(Make(number), "x"u8.ToArray(), key) { Trigger = new TriggerProgress(trigger.Id, mark, Samples.Noon) };

        Assert.IsType<Acceptance.Full>(await storage.Queue.AcceptAsync(Item(1, "b"), 0, Cancellation));
        var before = await storage.Triggers.FindAsync(TenantId.Default, "nightly", Cancellation);
        Assert.IsType<Acceptance.Accepted>(await storage.Queue.AcceptAsync(Item(1, "b"), 10, Cancellation));
        Assert.IsType<Acceptance.Known>(await storage.Queue.AcceptAsync(Item(2, "c"), 10, Cancellation));
        var after = Assert.Single(await storage.Triggers.AllAsync(Cancellation));

        Assert.Equal(("a", 0L), (before!.Mark, before.Fired));
        Assert.Equal(("c", 1L, Id(1)), (after.Mark, after.Fired, after.LastInvocation));
        Assert.Equal(("{}", TimeSpan.FromSeconds(3), "0 3 * * *"), (after.Filter, after.BatchWindow, after.Source["schedule"]));
        await storage.Triggers.ReportAsync(trigger.Id, "why", Samples.Noon, Cancellation);
        Assert.Equal("why", (await storage.Triggers.FindAsync(TenantId.Default, "nightly", Cancellation))!.LastError);
        Assert.NotNull(await storage.Triggers.RemoveAsync(TenantId.Default, "nightly", Cancellation));
        Assert.Empty(await storage.Triggers.ListAsync(TenantId.Default, Cancellation));
    }

    private static InvocationId Id(int number) => new(CountingIds.Id(500 + number));

    private static QueueItem Make(int number) => new()
    {
        Id = Id(number),
        Tenant = TenantId.Default,
        Endpoint = Endpoint,
        Request = new QueuedRequest("POST", null, null, []),
        BodyBytes = 1,
        AcceptedAt = Samples.Noon,
        NotBefore = Samples.Noon,
        ExpiresAt = Samples.Noon.AddHours(1),
        AttemptsMax = 3,
    };

    private static async Task AcceptAsync(StorageSet storage, int number, Func<QueueItem, QueueItem> change) =>
        Assert.IsType<Acceptance.Accepted>(await storage.Queue.AcceptAsync(new NewQueueItem(change(Make(number)), "x"u8.ToArray(), null), 10, Cancellation));

    /// <summary>One that has ended and is to be reported.</summary>
    private static async Task<DeliveryLane> EndedAsync(StorageSet storage, int number, QueueState state = QueueState.Succeeded)
    {
        await AcceptAsync(storage, number, i => i with { OnSuccess = "good", OnFailure = "good" });
        var leased = Assert.Single((await storage.Queue.LeaseAsync(Server, [new LeaseWish(Endpoint, 1)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation)).Items);
        Assert.True(await storage.Queue.EndAsync(leased.Item.Lease, new QueueVerdict.Finished(state, new StoredAnswer(200, [], "7"u8.ToArray()), null), null, Samples.Noon, Cancellation));
        return new DeliveryLane(TenantId.Default, "good");
    }
}
