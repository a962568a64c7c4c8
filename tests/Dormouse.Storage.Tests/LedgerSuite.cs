using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests;

public abstract class LedgerSuite : StoreTests
{
    [Fact]
    public async Task A_receipt_appended_twice_counts_once_also_within_one_batch()
    {
        await using var storage = await Folder.OpenAsync();
        var receipt = Samples.Receipt(storage.ServerId, 1, Samples.Opening(1));

        await storage.Ledger.AppendAsync([receipt, receipt], Cancellation);
        await storage.Ledger.AppendAsync([receipt], Cancellation);

        var total = Assert.Single(await storage.Ledger.TotalsAsync(TenantId.Default, null, Samples.Noon, Samples.Noon.AddHours(1), Cancellation));
        Assert.Equal(1, total.Invocations);
        Assert.Equal(receipt.PricePico, total.PricePico);
        Assert.Equal(512 * 2_000, total.MibMicroseconds);
        Assert.Equal(receipt, await storage.Ledger.FindAsync(TenantId.Default, receipt.Invocation, Cancellation));
    }

    [Fact]
    public async Task Every_line_has_a_total_of_its_own_and_provisioned_time_is_no_invocation()
    {
        await using var storage = await Folder.OpenAsync();
        var receipts = Enum.GetValues<ReceiptLine>().Select((line, i) => Samples.Receipt(storage.ServerId, i + 1, Samples.Opening(i + 1)) with { Line = line, PricePico = 10 + i }).ToList();

        await storage.Ledger.AppendAsync(receipts, Cancellation);

        var totals = await storage.Ledger.TotalsAsync(TenantId.Default, null, Samples.Noon, Samples.Noon.AddHours(1), Cancellation);
        Assert.Equal(
            [(ReceiptLine.OnDemand, 1L, 10), (ReceiptLine.Overflow, 1L, 11), (ReceiptLine.Provisioned, 1L, 12), (ReceiptLine.ProvisionedTime, 0L, 13)],
            totals.Select(t => (t.Line, t.Invocations, (int)t.PricePico)));
        Assert.Equal(receipts[2], await storage.Ledger.FindAsync(TenantId.Default, receipts[2].Invocation, Cancellation));
        Assert.Empty(await storage.Ledger.CheckAsync(null, Cancellation));
    }

    [Fact]
    public async Task Sums_beyond_64_bits_are_exact()
    {
        await using var storage = await Folder.OpenAsync();
        for (var sequence = 1; sequence <= 3; sequence++)
        {
            await storage.Ledger.AppendAsync([Samples.Receipt(storage.ServerId, sequence, Samples.Opening(sequence)) with { PricePico = long.MaxValue }], Cancellation);
        }

        var total = Assert.Single(await storage.Ledger.TotalsAsync(TenantId.Default, null, Samples.Noon, Samples.Noon.AddHours(1), Cancellation));

        Assert.Equal((Int128)long.MaxValue * 3, total.PricePico);
        Assert.Empty(await storage.Ledger.CheckAsync(null, Cancellation));
    }

    [Fact]
    public async Task The_check_names_a_total_that_differs_and_one_that_is_missing()
    {
        await using var storage = await Folder.OpenAsync();
        await storage.Ledger.AppendAsync([Samples.Receipt(storage.ServerId, 1, Samples.Opening(1)), Samples.Receipt(storage.ServerId, 2, Samples.Opening(4_000))], Cancellation);
        Execute("UPDATE usage_totals SET billed_ms = billed_ms + 1 WHERE hour = (SELECT MIN(hour) FROM usage_totals); DELETE FROM usage_totals WHERE hour = (SELECT MAX(hour) FROM usage_totals)");

        var differences = await storage.Ledger.CheckAsync(null, Cancellation);

        Assert.Equal(2, differences.Length);
        Assert.Contains("hour 2026-03-04 12:00, on_demand: the total is", differences[0], StringComparison.Ordinal);
        Assert.Contains("hour 2026-03-04 13:00, on_demand: there is no total", differences[1], StringComparison.Ordinal);

        // From the hour of a time in it; both sides are cut at the same place.
        Assert.Equal(2, (await storage.Ledger.CheckAsync(Samples.Noon.AddMinutes(59), Cancellation)).Length);
        Assert.Equal([differences[1]], await storage.Ledger.CheckAsync(Samples.Noon.AddHours(1), Cancellation));
        Assert.Empty(await storage.Ledger.CheckAsync(Samples.Noon.AddHours(2), Cancellation));
    }

    [Fact]
    public async Task The_check_finds_every_tenant()
    {
        await using var storage = await Folder.OpenAsync();
        foreach (var (tenant, sequence) in new[] { ("b", 1), ("a", 2), ("c", 3) })
        {
            var opening = Samples.Opening(sequence) with { Tenant = new TenantId(tenant) };
            await storage.Ledger.AppendAsync([Samples.Receipt(storage.ServerId, sequence, opening)], Cancellation);
        }

        Assert.Empty(await storage.Ledger.CheckAsync(Samples.Noon, Cancellation));

        Execute("UPDATE usage_totals SET billed_ms = billed_ms + 1");

        Assert.Equal(3, (await storage.Ledger.CheckAsync(Samples.Noon, Cancellation)).Length);
    }
}
