using CsCheck;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;
using Dormouse.Storage.Journal;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Journal;

public sealed class JournalRecordTests
{
    private static readonly Gen<Receipt> Receipts = Gen.Select(
        Gen.Long[1, long.MaxValue],
        Gen.String[Gen.Char["abcxyz0189-"], 1, 63],
        Gen.Int[0, 6],
        Gen.Int[0, 3],
        Gen.Int[-1, 5],
        Gen.Int[-1, 4],
        Gen.Long[0, long.MaxValue],
        (sequence, tenant, outcome, start, cause, rung, amount) => new Receipt
        {
            ServerId = CountingIds.Id(1),
            Sequence = sequence,
            Invocation = new InvocationId(CountingIds.Id(sequence % 1_000_000)),
            Tenant = new TenantId(tenant),
            Revision = new RevisionId(new EndpointId(CountingIds.Id(3)), 1 + (int)(amount % int.MaxValue)),
            Instance = amount / 3,
            StartedAt = Samples.Noon.AddTicks(10 * (amount % 1_000_000_000_000_000)),
            Outcome = (Outcome)outcome,
            Status = (int)(amount % 1_000),
            Start = (StartKind)start,
            Cause = cause < 0 ? null : (StartCause)cause,
            Rung = rung < 0 ? null : (Rung)rung,
            RungReason = rung < 0 || amount % 9 == 8 ? null : (RungReason)(amount % 9),
            Times = new InvocationTimes(amount / 5, amount / 7, amount / 11, amount / 13),
            CpuMicroseconds = amount / 17,
            IsMirror = amount % 2 == 1,
            MemoryMib = (int)(amount % 1_000_000),
            MeteredMicroseconds = amount / 19,
            BilledMilliseconds = amount / 23,
            PricePico = amount,
            Line = (ReceiptLine)(amount % 3),
        });

    [Fact]
    public void A_receipt_comes_back_from_its_record_as_it_was()
    {
        Receipts.Sample(receipt =>
        {
            var slot = new byte[JournalRecord.Size];
            JournalRecord.WriteOpening(slot, receipt.Sequence, OpeningOf(receipt));
            JournalRecord.WriteClosing(slot, receipt);

            Assert.True(JournalRecord.TryReadOpening(slot, out var sequence, out var opening));
            Assert.Equal(receipt.Sequence, sequence);
            Assert.Equal(OpeningOf(receipt), opening);
            Assert.Equal(receipt, JournalRecord.ReadClosing(slot, receipt.ServerId, sequence, opening));
        });
    }

    [Fact]
    public void A_record_with_any_byte_changed_is_no_receipt_or_no_opening()
    {
        Gen.Select(Receipts, Gen.Int[0, JournalRecord.Size - 1], Gen.Int[1, 255]).Sample((receipt, at, change) =>
        {
            var slot = new byte[JournalRecord.Size];
            JournalRecord.WriteOpening(slot, receipt.Sequence, OpeningOf(receipt));
            JournalRecord.WriteClosing(slot, receipt);
            slot[at] ^= (byte)change;

            var isOpening = JournalRecord.TryReadOpening(slot, out var sequence, out var opening);
            var closing = isOpening ? JournalRecord.ReadClosing(slot, receipt.ServerId, sequence, opening) : null;

            // Bytes 4 to 7 of each half are not used.
            Assert.True(closing is null || (at % 144) is >= 4 and <= 7);
            Assert.Equal(at >= 144 || at is >= 4 and <= 7, isOpening);
        });
    }

    [Fact]
    public void A_slot_of_zeros_is_free()
    {
        Assert.False(JournalRecord.IsUsed(new byte[JournalRecord.Size]));
        Assert.False(JournalRecord.TryReadOpening(new byte[JournalRecord.Size], out _, out _));
    }

    private static InvocationOpening OpeningOf(Receipt receipt) =>
        new(receipt.Invocation, receipt.Tenant, receipt.Revision, receipt.Instance, receipt.StartedAt, receipt.MemoryMib, receipt.Line, receipt.IsMirror);
}
