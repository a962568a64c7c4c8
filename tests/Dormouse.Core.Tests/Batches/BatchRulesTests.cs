using CsCheck;
using Dormouse.Core.Batches;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Batches;

public sealed class BatchRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("0", 5, 0, false)]
    [InlineData("0", 5, 1, true)]
    [InlineData("3", 3, 3, false)]
    [InlineData("3", 4, 4, true)]
    [InlineData("10%", 99, 99, false)]
    [InlineData("10%", 100, 10, false)]
    [InlineData("10%", 100, 11, true)]
    [InlineData("0%", 100, 1, true)]
    [InlineData("100%", 1_000_000, 1_000_000, false)]
    public void A_budget_is_a_number_or_a_share_of_at_least_a_hundred(string text, long ended, long failed, bool isExceeded)
    {
        Assert.True(FailureBudget.TryParse(text, out var budget));

        Assert.Equal((isExceeded, text), (budget.IsExceeded(ended, failed), budget.ToString()));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("%")]
    [InlineData("-1")]
    [InlineData("101%")]
    [InlineData("1.5%")]
    [InlineData("many")]
    public void What_is_no_budget_is_refused(string? text) => Assert.False(FailureBudget.TryParse(text, out _));

    [Theory]
    [InlineData(0, 0, 0, 8)]
    [InlineData(8, 8, 0, 0)]
    [InlineData(10, 5, 0, 3)]
    [InlineData(31, 1, 0, 1)]
    [InlineData(32, 1, 0, 0)]
    [InlineData(1, 0, FeedRule.WindowBytesMax, 0)]
    public void Room_is_what_concurrency_window_and_bytes_leave(int held, int live, long bytes, int expected) =>
        Assert.Equal(expected, FeedRule.Room(Job() with { Concurrency = 8 }, new BatchWindow(held, live, bytes)));

    [Fact]
    public void Nothing_is_fed_to_a_job_that_does_not_run_or_whose_input_is_read()
    {
        Assert.Equal(0, FeedRule.Room(Job().Paused(), default));
        Assert.Equal(0, FeedRule.Room(Job() with { IsReadToEnd = true }, default));
    }

    [Fact]
    public void A_job_stops_at_its_budget_keeps_what_it_has_and_goes_on_with_a_larger_one()
    {
        var fed = Job("1").After(new BatchFeeding(5, 2, "mark", 100, IsEnd: false));
        var stopped = fed.After(new BatchCollection(3, 1, 2, 60, 30, 4)).Settled(Now);
        var drained = stopped.After(new BatchCollection(5, 2, 0, 100, 20, 2)).Settled(Now);
        Assert.True(FailureBudget.TryParse("2", out var larger));

        Assert.Equal((BatchState.Failed, Now, 2), (stopped.State, stopped.EndedAt, stopped.InWindow));
        Assert.Contains("2 of 3 items failed", stopped.Reason, StringComparison.Ordinal);
        Assert.Equal((false, 5, (Int128)50, 6, 100), (drained.IsActive, drained.Collected, drained.CostPico, drained.Attempts, drained.ResultsBytes));
        Assert.Equal(BatchState.Failed, drained.Resumed(null, Now).State);
        Assert.Equal((BatchState.Running, null, null), (drained.Resumed(larger, Now).State, drained.Resumed(larger, Now).Reason, drained.Resumed(larger, Now).EndedAt));
    }

    [Fact]
    public void It_is_done_when_its_input_is_read_and_nothing_is_under_way()
    {
        var read = Job().After(new BatchFeeding(1, 0, "m", 9, IsEnd: true));

        Assert.Equal(BatchState.Running, read.Settled(Now).State);
        Assert.Equal((BatchState.Done, Now), (read.After(new BatchCollection(1, 1, 0, 9, 0, 1)).Settled(Now).State, read.After(new BatchCollection(1, 1, 0, 9, 0, 1)).Settled(Now).EndedAt));
        Assert.Equal(BatchState.Done, Job().After(new BatchFeeding(0, 3, "m", 3, IsEnd: true)).Settled(Now).State);
    }

    [Fact]
    public void What_has_ended_for_good_stays_ended()
    {
        var done = (Job() with { IsReadToEnd = true }).Settled(Now);
        var cancelled = Job().Cancelled(Now);

        Assert.Equal((done, done, done), (done.Cancelled(Now), done.Resumed(null, Now), done.Paused()));
        Assert.Equal((cancelled, cancelled, cancelled), (cancelled.Resumed(null, Now), cancelled.Stopped("x", Now), cancelled.Settled(Now)));
    }

    /// <summary>Feeding by the rule and ending items in any order: the bounds hold at every moment, results are in order, and every item gets there.</summary>
    [Fact]
    public void Whatever_order_items_end_in_the_window_is_bounded_and_every_item_is_collected_in_order() => Gen.Select(Gen.Int[1, 40], Gen.Int[0, 600], Gen.Int[1, 1_000_000]).Sample((concurrency, total, seed) =>
    {
        var random = new Random(seed);
        var job = Job("100%") with { Concurrency = concurrency };
        SortedDictionary<long, bool> window = []; // number → has it ended?
        var collected = 0L;
        for (var turns = 0; job.State == BatchState.Running; turns++)
        {
            Assert.InRange(turns, 0, 100_000);
            var room = FeedRule.Room(job, new BatchWindow(window.Count, window.Values.Count(e => !e), 0));
            var count = (int)Math.Min(room, total - job.Fed);
            for (var i = 1; i <= count; i++)
            {
                window.Add(job.Fed + i, false);
            }

            job = job.After(new BatchFeeding(count, 0, null, 0, job.Fed + count == total));
            Assert.InRange(window.Values.Count(e => !e), 0, concurrency);
            Assert.InRange(window.Count, 0, FeedRule.WindowMax(concurrency));
            var live = window.Where(w => !w.Value).Select(w => w.Key).ToList();
            if (live.Count > 0)
            {
                window[live[random.Next(live.Count)]] = true;
            }

            var ready = window.TakeWhile(w => w.Value).Select(w => w.Key).ToList();
            foreach (var number in ready)
            {
                Assert.Equal(++collected, number);
                window.Remove(number);
            }

            job = job.After(new BatchCollection(collected, ready.Count, 0, 0, 0, 0)).Settled(Now);
        }

        Assert.Equal((BatchState.Done, total), (job.State, collected));
    });

    private static BatchJob Job(string budget = "10%") => new()
    {
        Id = new BatchId(Guid.Empty),
        Tenant = TenantId.Default,
        Endpoint = new EndpointId(Guid.Empty),
        EndpointName = "digits",
        Owner = Guid.Empty,
        Input = new BatchInput(BatchPlace.Uploaded, "", null, "x.jsonl", BatchFormat.Lines, 100),
        Concurrency = 8,
        Budget = FailureBudget.TryParse(budget, out var read) ? read : default,
        CreatedAt = Now,
    };
}
