using Dormouse.Core.Batches;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Core.Queues;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Batches;

/// <summary>What of batch jobs only a real store can show.</summary>
public abstract class BatchWindowSuite : StoreTests
{
    [Fact]
    public async Task An_item_costs_the_sum_of_its_receipts_and_leaves_the_queue_when_its_result_is_written()
    {
        await using var storage = await Folder.OpenAsync();
        var job = await FedAsync(storage, 2);
        var leased = (await storage.Queue.LeaseAsync(BatchSamples.Owner, [new LeaseWish(BatchSamples.Endpoint, 1)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation)).Items[0].Item;
        var (first, second) = (Samples.Receipt(storage.ServerId, 1, Samples.Opening(1) with { Invocation = leased.Id }), Samples.Receipt(storage.ServerId, 2, Samples.Opening(2) with { Invocation = leased.Id }));
        await storage.Queue.EndAsync(leased.Lease, new QueueVerdict.Again(Samples.Noon, true, "again"), first, Samples.Noon, Cancellation);
        leased = (await storage.Queue.LeaseAsync(BatchSamples.Owner, [new LeaseWish(BatchSamples.Endpoint, 2)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation)).Items.Single(i => i.Item.Id == leased.Id).Item;
        await storage.Queue.EndAsync(leased.Lease, new QueueVerdict.Finished(QueueState.Succeeded, new StoredAnswer(200, [], "7"u8.ToArray()), null), second, Samples.Noon, Cancellation);

        var ended = Assert.Single(await storage.Batches.EndedAsync(job.Id, 10, 1_000, Cancellation));
        var collected = await storage.Batches.CollectAsync(job.Id, new BatchCollection(1, 1, 0, 10, ended.CostPico, ended.Attempts), Samples.Noon, Cancellation);

        Assert.Equal((first.PricePico + second.PricePico, 2), (ended.CostPico, ended.Attempts));
        Assert.Equal((1, 1, first.PricePico + second.PricePico), ((int)collected!.Succeeded, (int)collected.InWindow, collected.CostPico));
        Assert.Null(await storage.Queue.FindAsync(job.Tenant, leased.Id, Cancellation));
        Assert.Equal(second, await storage.Ledger.FindAsync(job.Tenant, leased.Id, Cancellation));
    }

    [Fact]
    public async Task An_item_whose_outcome_is_still_to_be_reported_stays_until_it_was()
    {
        await using var storage = await Folder.OpenAsync();
        await storage.Destinations.SetUseAsync(BatchSamples.Endpoint, new DestinationUse("good", null), Cancellation);
        var job = await FedAsync(storage, 1);
        var leased = (await storage.Queue.LeaseAsync(BatchSamples.Owner, [new LeaseWish(BatchSamples.Endpoint, 1)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation)).Items[0].Item;
        await storage.Queue.EndAsync(leased.Lease, new QueueVerdict.Finished(QueueState.Succeeded, null, null), null, Samples.Noon, Cancellation);

        await storage.Batches.CollectAsync(job.Id, new BatchCollection(1, 1, 0, 10, 0, 0), Samples.Noon, Cancellation);

        Assert.NotNull(await storage.Queue.FindAsync(job.Tenant, leased.Id, Cancellation));
        Assert.Equal(default, await storage.Batches.WindowAsync(job.Id, Cancellation));
    }

    [Fact]
    public async Task An_uploaded_input_is_kept_as_long_as_its_job()
    {
        await using var storage = await Folder.OpenAsync();
        var content = "{}\n"u8.ToArray();
        var hash = new BlobHash(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content)));
        await storage.Blobs.AppendAsync(TenantId.Default, hash, content.Length, 0, new MemoryStream(content), Cancellation);
        var job = BatchSamples.Job(2) with { Input = new BatchInput(BatchPlace.Uploaded, hash.Value, null, "x.jsonl", BatchFormat.Lines, content.Length) };
        await storage.Batches.AddAsync(job, Cancellation);

        await storage.Blobs.SweepAsync(DateTimeOffset.MaxValue, Cancellation);
        var whileThere = storage.Blobs.Materialise(hash);
        await storage.Batches.ChangeAsync(job.Id, j => j.Cancelled(Samples.Noon), Cancellation);
        Assert.True(await storage.Batches.RemoveAsync(job.Id, Cancellation));
        await storage.Blobs.SweepAsync(DateTimeOffset.MaxValue, Cancellation);

        Assert.NotNull(whileThere);
        Assert.Null(storage.Blobs.Materialise(hash));
    }

    [Fact]
    public async Task What_a_window_refers_to_is_not_swept_however_old()
    {
        await using var storage = await Folder.OpenAsync();
        var job = await FedAsync(storage, 1);
        await storage.Queue.CancelAsync(job.Tenant, BatchSamples.Invocation(job, 1), Samples.Noon, Cancellation);

        Assert.Equal(0, await storage.Queue.SweepAsync(Samples.Noon.AddDays(9), Samples.Noon.AddDays(9), 10, Cancellation));
        Assert.Equal(QueueState.Cancelled, Assert.Single(await storage.Batches.EndedAsync(job.Id, 10, 1_000, Cancellation)).Item!.State);
    }

    private static async Task<BatchJob> FedAsync(StorageSet storage, int items)
    {
        var job = BatchSamples.Job(1);
        await storage.Batches.AddAsync(job, Cancellation);
        await storage.Batches.FeedAsync(job.Id, [.. Enumerable.Range(1, items).Select(i => BatchSamples.Item(job, i, false))], new BatchFeeding(items, 0, "x", 1, true), 100, Cancellation);
        return job;
    }
}
