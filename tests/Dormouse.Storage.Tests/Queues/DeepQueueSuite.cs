using System.Diagnostics;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Queues;

/// <summary>A queue as deep as users may make it: a million items with <c>./test --long</c>, else enough to go the same way. What it took is in the test's output.</summary>
public abstract class DeepQueueSuite : StoreTests
{
    private const int AtOnce = 64;

    private const int BodyBytes = 1_024;

    /// <summary>Were items kept in memory, a million would take ten times as much; other tests run in the same process.</summary>
    private const long GrowthMax = 128L << 20;

    private static readonly bool IsLong = Environment.GetEnvironmentVariable("DORMOUSE_TEST_LONG") == "1";

    private static readonly int Items = IsLong ? 1_000_000 : 5_000;

    private static readonly Guid Server = CountingIds.Id(71);

    private static readonly EndpointId Endpoint = new(CountingIds.Id(5));

    [Fact]
    public async Task However_many_items_wait_each_is_accepted_taken_and_ended_once_and_memory_stays_as_it_is()
    {
        await using var storage = await Folder.OpenAsync();
        var body = new byte[BodyBytes];
        var memory = new List<long>();

        var clock = Stopwatch.StartNew();
        for (var from = 0; from < Items; from += Items / 10)
        {
            await Parallel.ForEachAsync(Enumerable.Range(from, Items / 10), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = Cancellation }, async (number, cancellationToken) =>
                Assert.IsType<Acceptance.Accepted>(await storage.Queue.AcceptAsync(new NewQueueItem(Item(number), body, null), Items, cancellationToken)));
            memory.Add(GC.GetTotalMemory(forceFullCollection: true));
        }

        var accepted = clock.Elapsed;
        Assert.IsType<Acceptance.Full>(await storage.Queue.AcceptAsync(new NewQueueItem(Item(Items), body, null), Items, Cancellation));
        Assert.Equal(Items, Assert.Single(await storage.Queue.DepthsAsync(Samples.Noon, Cancellation)).Queued);

        clock.Restart();
        var taken = new bool[Items];
        for (var left = Items; left > 0;)
        {
            var leased = await storage.Queue.LeaseAsync(Server, [new LeaseWish(Endpoint, AtOnce)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation);
            Assert.NotEmpty(leased.Items);
            foreach (var item in leased.Items)
            {
                var number = int.Parse(item.Item.Request.Target!, System.Globalization.CultureInfo.InvariantCulture); // It was accepted with one.
                Assert.False(taken[number], $"Item {number} was taken twice.");
                Assert.Equal(BodyBytes, item.Body.Length);
                taken[number] = true;
            }

            var ended = await Task.WhenAll(leased.Items.Select(i => storage.Queue.EndAsync(i.Item.Lease, new QueueVerdict.Finished(QueueState.Succeeded, new StoredAnswer(200, [], "7"u8.ToArray()), null), null, Samples.Noon, Cancellation)));
            Assert.DoesNotContain(false, ended);
            left -= leased.Items.Length;
            if (left % (Items / 10) < AtOnce)
            {
                memory.Add(GC.GetTotalMemory(forceFullCollection: true));
            }
        }

        var drained = clock.Elapsed;
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{Items} items: {Items / accepted.TotalSeconds:F0} accepted a second, {Items / drained.TotalSeconds:F0} taken and ended a second; managed memory {memory.Min() >> 20} to {memory.Max() >> 20} MiB");
        Assert.Empty((await storage.Queue.DepthsAsync(Samples.Noon, Cancellation)).Where(d => d.Queued + d.Leased > 0));
        Assert.All(taken, Assert.True);
        Assert.True(!IsLong || memory.Max() - memory[0] < GrowthMax, $"Memory grew from {memory[0] >> 20} to {memory.Max() >> 20} MiB.");
    }

    private static QueueItem Item(int number) => new()
    {
        Id = new InvocationId(CountingIds.Id(10_000 + number)),
        Tenant = TenantId.Default,
        Endpoint = Endpoint,
        Request = new QueuedRequest("POST", number.ToString(System.Globalization.CultureInfo.InvariantCulture), null, []),
        BodyBytes = BodyBytes,
        AcceptedAt = Samples.Noon,
        NotBefore = Samples.Noon,
        ExpiresAt = Samples.Noon.AddHours(1),
        AttemptsMax = 3,
    };
}
