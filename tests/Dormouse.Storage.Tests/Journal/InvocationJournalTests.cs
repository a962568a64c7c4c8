using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Storage.Journal;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Journal;

public sealed class InvocationJournalTests : IDisposable
{
    private const int SlotCount = 496;
    private static readonly Guid ServerId = CountingIds.Id(77);

    private readonly TestFolder _folder = new();
    private readonly InMemoryLedger _ledger = new([], []);

    public InvocationJournalTests() => _folder.Options = _folder.Options with { JournalBytes = 4_096 + (SlotCount * 256) };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string JournalPath => _folder.File("journal");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_closed_invocation_reaches_the_ledger_and_leaves_the_journal()
    {
        await using var journal = await OpenAsync();
        var opening = Samples.Opening(1);
        var sequence = journal.TryOpen(opening);
        Assert.Equal(new JournalEntry(opening, null), journal.Find(opening.Invocation));

        var receipt = Samples.Receipt(ServerId, sequence, opening);
        journal.Close(receipt);
        Assert.Equal(new JournalEntry(opening, receipt), journal.Find(opening.Invocation));
        await journal.FlushAsync(Cancellation);

        Assert.Null(journal.Find(opening.Invocation));
        Assert.Equal(receipt, Assert.Single(await ReceiptsAsync()));
    }

    [Fact]
    public async Task Receipts_are_folded_when_the_interval_is_over()
    {
        await using var journal = await OpenAsync();
        var opening = Samples.Opening(1);
        journal.Close(Samples.Receipt(ServerId, journal.TryOpen(opening), opening));

        // The loop may not have begun its pause yet, so the clock goes on until it has.
        while (journal.Find(opening.Invocation) is not null)
        {
            Cancellation.ThrowIfCancellationRequested();
            _folder.Time.Advance(_folder.Options.FoldInterval);
            await Task.Yield();
        }

        Assert.Single(await ReceiptsAsync());
    }

    [Fact]
    public async Task What_a_server_left_open_becomes_a_lost_receipt_that_costs_nothing()
    {
        var opening = Samples.Opening(1);
        await using (var first = await OpenAsync())
        {
            Assert.Equal(1, first.TryOpen(opening));
        }

        await using var second = await OpenAsync();

        var receipt = Assert.Single(await ReceiptsAsync());
        Assert.Equal(Receipts.ServerLost(ServerId, 1, opening), receipt);
        Assert.Equal(0, receipt.BilledMilliseconds);
        Assert.Equal(0, receipt.PricePico);
        Assert.Equal(2, second.TryOpen(Samples.Opening(2)));
    }

    [Fact]
    public async Task Sequences_go_on_above_the_ledgers_and_the_journals()
    {
        await using (var first = await OpenAsync(lastSequence: 41))
        {
            Assert.Equal(42, first.TryOpen(Samples.Opening(1)));
        }

        await using var second = await OpenAsync(lastSequence: 7);

        Assert.Equal(43, second.TryOpen(Samples.Opening(2)));
    }

    [Fact]
    public async Task A_full_journal_refuses_openings_but_never_a_closing()
    {
        await using var journal = await OpenAsync();
        var sequences = Enumerable.Range(1, SlotCount).Select(i => journal.TryOpen(Samples.Opening(i))).ToList();
        Assert.DoesNotContain(-1, sequences);

        Assert.Equal(-1, journal.TryOpen(Samples.Opening(SlotCount + 1)));
        for (var i = 0; i < SlotCount; i++)
        {
            journal.Close(Samples.Receipt(ServerId, sequences[i], Samples.Opening(i + 1)));
        }

        await journal.FlushAsync(Cancellation);
        Assert.Equal(SlotCount + 1, journal.TryOpen(Samples.Opening(SlotCount + 1)));
        Assert.Equal(SlotCount, (await ReceiptsAsync()).Length);
    }

    [Fact]
    public async Task While_the_ledger_fails_the_journal_fills_and_nothing_is_lost()
    {
        _ledger.Failure = new StorageFullException("full");
        await using var journal = await OpenAsync();
        long sequence;
        var closed = 0;
        while ((sequence = journal.TryOpen(Samples.Opening(closed))) > 0)
        {
            journal.Close(Samples.Receipt(ServerId, sequence, Samples.Opening(closed)));
            closed++;
        }

        Assert.Equal(SlotCount, closed);
        var flushed = journal.FlushAsync(Cancellation);
        while (_folder.Errors.IsEmpty)
        {
            Cancellation.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        Assert.False(flushed.IsCompleted);
        _ledger.Failure = null;
        while (!flushed.IsCompleted)
        {
            Cancellation.ThrowIfCancellationRequested();
            _folder.Time.Advance(TimeSpan.FromSeconds(5));
            await Task.Yield();
        }

        await flushed;
        Assert.Equal(SlotCount, (await ReceiptsAsync()).Length);
        Assert.IsType<StorageFullException>(Assert.Single(_folder.Errors));
    }

    [Fact]
    public async Task Receipts_that_the_ledger_never_took_are_there_at_the_next_start()
    {
        var receipt = await LeaveClosedAsync();

        await using var second = await OpenAsync();

        Assert.Equal(receipt, Assert.Single(await ReceiptsAsync()));
    }

    [Fact]
    public async Task A_torn_closing_counts_as_open()
    {
        var receipt = await LeaveClosedAsync();
        await ChangeAsync(4_096 + 144 + 90);

        await using var second = await OpenAsync();

        Assert.Equal(Receipts.ServerLost(ServerId, receipt.Sequence, Samples.Opening(1)), Assert.Single(await ReceiptsAsync()));
    }

    [Fact]
    public async Task A_torn_opening_was_never_answered_and_its_slot_is_free()
    {
        await LeaveClosedAsync();
        await ChangeAsync(4_096 + 20);

        await using var second = await OpenAsync();

        Assert.Empty(await ReceiptsAsync());
        Assert.DoesNotContain(-1, Enumerable.Range(1, SlotCount).Select(i => second.TryOpen(Samples.Opening(i))));
    }

    [Fact]
    public async Task A_kill_between_the_ledgers_commit_and_the_freeing_counts_nothing_twice()
    {
        await using (var storage = await _folder.OpenAsync())
        {
            var opening = Samples.Opening(1);
            storage.Journal.Close(Samples.Receipt(storage.ServerId, storage.Journal.TryOpen(opening), opening));
            File.Copy(Path.Combine(_folder.Data, "journal"), JournalPath);
            await storage.Journal.FlushAsync(Cancellation);
        }

        File.Copy(JournalPath, Path.Combine(_folder.Data, "journal"), overwrite: true);
        await using var again = await _folder.OpenAsync();

        var total = Assert.Single(await again.Ledger.TotalsAsync(TenantId.Default, null, Samples.Noon, Samples.Noon.AddHours(1), Cancellation));
        Assert.Equal(1, total.Invocations);
        Assert.Equal(2, again.Journal.TryOpen(Samples.Opening(2)));
    }

    [Fact]
    public async Task Another_size_is_taken_when_the_journal_is_empty()
    {
        await LeaveClosedAsync();
        _folder.Options = _folder.Options with { JournalBytes = 64 << 10 };
        await using (var notEmpty = await OpenAsync())
        {
            Assert.Equal(4_096 + (SlotCount * 256), new FileInfo(JournalPath).Length);
        }

        await using var empty = await OpenAsync();

        Assert.Equal(64 << 10, new FileInfo(JournalPath).Length);
    }

    [Fact]
    public async Task Many_threads_open_and_close_at_once()
    {
        const int Threads = 4;
        const int Each = 3_000;
        await using var storage = await _folder.OpenAsync();

        await Task.WhenAll(Enumerable.Range(0, Threads).Select(t => Task.Run(
            async () =>
            {
                for (var i = 0; i < Each; i++)
                {
                    var opening = Samples.Opening((t * Each) + i);
                    long sequence;
                    while ((sequence = storage.Journal.TryOpen(opening)) < 0)
                    {
                        await storage.Journal.FlushAsync(Cancellation);
                    }

                    storage.Journal.Close(Samples.Receipt(storage.ServerId, sequence, opening));
                }
            },
            Cancellation)));
        await storage.Journal.FlushAsync(Cancellation);

        var totals = await storage.Ledger.TotalsAsync(TenantId.Default, null, Samples.Noon, Samples.Noon.AddDays(1), Cancellation);
        Assert.Equal(Threads * Each, totals.Sum(t => t.Invocations));
        Assert.Empty(await storage.Ledger.CheckAsync(null, Cancellation));
    }

    [Fact]
    public async Task Closing_what_is_not_open_is_an_error()
    {
        await using var journal = await OpenAsync();
        var opening = Samples.Opening(1);
        var receipt = Samples.Receipt(ServerId, journal.TryOpen(opening), opening);

        Assert.Throws<InvalidOperationException>(() => journal.Close(receipt with { Sequence = 9 }));
        Assert.Throws<ArgumentException>(() => journal.Close(receipt with { ServerId = CountingIds.Id(1) }));
        journal.Close(receipt);
        Assert.Throws<InvalidOperationException>(() => journal.Close(receipt));
    }

    private Task<InvocationJournal> OpenAsync(long lastSequence = 0) =>
        InvocationJournal.OpenAsync(JournalPath, ServerId, lastSequence, _ledger, _folder.Options, _folder.Time, _folder.Errors.Enqueue);

    private Task<System.Collections.Immutable.ImmutableArray<Receipt>> ReceiptsAsync() =>
        _ledger.RecentAsync(TenantId.Default, null, int.MaxValue, Cancellation);

    /// <summary>A journal of a server that ended while its ledger failed: one closed receipt is in its first slot.</summary>
    private async Task<Receipt> LeaveClosedAsync()
    {
        _ledger.Failure = new StorageFullException("full");
        var opening = Samples.Opening(1);
        Receipt receipt;
        await using (var journal = await OpenAsync())
        {
            receipt = Samples.Receipt(ServerId, journal.TryOpen(opening), opening);
            journal.Close(receipt);
        }

        _ledger.Failure = null;
        return receipt;
    }

    private async Task ChangeAsync(int at)
    {
        var bytes = await File.ReadAllBytesAsync(JournalPath, Cancellation);
        bytes[at] ^= 1;
        await File.WriteAllBytesAsync(JournalPath, bytes, Cancellation);
    }
}
