using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests;

public abstract class CatalogueSuite : StoreTests
{
    [Fact]
    public async Task Deploys_at_once_get_numbers_of_their_own()
    {
        await using var storage = await Folder.OpenAsync();

        var entries = await Task.WhenAll(Enumerable.Range(1, 50).Select(i =>
            storage.Catalogue.AddRevisionAsync(Samples.Revision(), new EndpointId(CountingIds.Id(i)), Samples.Noon, Cancellation)));

        Assert.Single(entries.Select(e => e.Endpoint.Id).Distinct());
        Assert.Equal(Enumerable.Range(1, 50), entries.Select(e => e.Revisions[^1].Id.Number).Order());
    }

    [Fact]
    public async Task An_older_slower_deploy_does_not_take_the_traffic_back()
    {
        await using var storage = await Folder.OpenAsync();
        var first = await AddAsync(storage, RevisionState.Verifying);
        var second = await AddAsync(storage, RevisionState.Verifying);

        await CompleteAsync(storage, second, RevisionState.Ready);
        var entry = await CompleteAsync(storage, first, RevisionState.Ready);

        Assert.Equal([new TrafficShare(2, 100)], entry!.Endpoint.Traffic);
        Assert.Equal([1, 2], entry.Revisions.Select(r => r.Id.Number));
    }

    [Fact]
    public async Task A_failed_revision_gets_no_traffic()
    {
        await using var storage = await Folder.OpenAsync();
        var first = await AddAsync(storage, RevisionState.Verifying);

        var entry = await CompleteAsync(storage, first, RevisionState.Failed);

        Assert.Empty(entry!.Endpoint.Traffic);
        await Assert.ThrowsAsync<ArgumentException>(() => storage.Catalogue.SetTrafficAsync(first.Endpoint, [new(1, 100)], Samples.Noon, Cancellation));
    }

    [Fact]
    public async Task A_name_may_be_used_again_and_reports_still_know_the_old_owner()
    {
        await using var storage = await Folder.OpenAsync();
        var old = await AddAsync(storage, RevisionState.Ready);
        await storage.Catalogue.DeleteAsync(old.Endpoint, Cancellation);

        var entry = await storage.Catalogue.AddRevisionAsync(Samples.Revision(), new EndpointId(CountingIds.Id(5)), Samples.Noon, Cancellation);

        Assert.NotEqual(old.Endpoint, entry.Endpoint.Id);
        Assert.Equal(1, entry.Revisions[0].Id.Number);
        Assert.Equal("digits", await storage.Ledger.EndpointNameAsync(old.Endpoint, Cancellation));
        Assert.Empty(await storage.Catalogue.RevisionsAsync(old.Endpoint, Cancellation));
    }

    [Fact]
    public async Task The_host_of_a_revisions_overflow_address_outlives_its_endpoint()
    {
        await using var storage = await Folder.OpenAsync();
        var revision = Samples.Revision() with { Spec = Samples.Revision().Spec with { Overflow = new OverflowPolicy("https://other:8443/v2/models/x/infer", 5, null, null) } };
        var id = (await storage.Catalogue.AddRevisionAsync(revision, new EndpointId(CountingIds.Id(5)), Samples.Noon, Cancellation)).Revisions[0].Id;

        await storage.Catalogue.DeleteAsync(id.Endpoint, Cancellation);

        Assert.Equal("other:8443", await storage.Ledger.OverflowHostAsync(id, Cancellation));
        Assert.Null(await storage.Ledger.OverflowHostAsync(id with { Number = 2 }, Cancellation));
    }

    [Fact]
    public async Task Thousands_of_endpoints_are_read_in_order_and_share_what_is_equal()
    {
        await using var storage = await Folder.OpenAsync();
        await Task.WhenAll(Enumerable.Range(1, 2_000).Select(i =>
            storage.Catalogue.AddRevisionAsync(Samples.Revision($"e{i}"), new EndpointId(CountingIds.Id(i)), Samples.Noon, Cancellation)));

        var entries = await storage.Catalogue.ReadAllAsync(Cancellation).ToListAsync(Cancellation);

        Assert.Equal(Enumerable.Range(1, 2_000).Select(i => CountingIds.Id(i)), entries.Select(e => e.Endpoint.Id.Value));
        Assert.All(entries, e => Assert.Same(entries[0].Revisions[0].Spec, e.Revisions[0].Spec));
    }

    private static Task<CatalogueEntry?> CompleteAsync(StorageSet storage, RevisionId id, RevisionState state) =>
        storage.Catalogue.CompleteRevisionAsync(id, state, new ModelLoad("{}", TimeSpan.FromMilliseconds(1.5)), null, giveTraffic: true, Samples.Noon, Cancellation);

    private static async Task<RevisionId> AddAsync(StorageSet storage, RevisionState state)
    {
        var entry = await storage.Catalogue.AddRevisionAsync(Samples.Revision() with { State = state }, Samples.Endpoint, Samples.Noon, Cancellation);
        return entry.Revisions[^1].Id;
    }
}
