using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Journal;

/// <summary>
/// One slot of the journal: an opening of 144 bytes and the closing of the same invocation, 112 bytes. Each half is valid when its checksum is; a half
/// that a kill tore is as if it had never been written, and nobody was answered on the strength of it. Numbers are little-endian, ids big-endian.
/// <code>
/// opening   0 checksum u32 · 4 zero · 8 sequence i64 · 16 invocation · 32 endpoint · 48 instance i64 · 56 started i64 (µs since 1970)
///          64 revision i32 · 68 memory MiB i32 · 72 tenant length u8 · 73 tenant (UTF-8, 63) · 136 line u8 · 137 flags u8 (1 = mirror) · 138 zero (6)
/// closing   0 checksum u32 · 4 zero · 8 sequence i64 · 16 instance i64 · 24 started i64 · 32 outcome u8 · 33 start u8 · 34 cause u8 · 35 rung u8
///          36 memory MiB i32 · 40 queue µs · 48 start µs · 56 load µs · 64 run µs · 72 CPU µs · 80 metered µs · 88 billed ms · 96 price (all i64)
///         104 status i32 · 108 line u8 · 109 rung reason u8 · 110 zero (2)
/// </code>
/// Sequences begin at 1, the checksum (CRC-32C over all after byte 8) begins at ~0: a slot of zeros is free. Codes of enumerations are those of <see cref="Codes"/>, 0 = none.
/// </summary>
internal static class JournalRecord
{
    public const int Size = OpeningSize + ClosingSize;

    public const int TenantBytesMax = 63;

    private const int OpeningSize = 144;
    private const int ClosingSize = 112;
    private const byte MirrorFlag = 1;

    public static void Clear(Span<byte> slot) => slot.Clear();

    /// <summary>False for a slot that was cleared and never opened since.</summary>
    public static bool IsUsed(ReadOnlySpan<byte> slot) => BinaryPrimitives.ReadInt64LittleEndian(slot[8..]) != 0;

    public static void WriteOpening(Span<byte> slot, long sequence, in InvocationOpening opening)
    {
        var half = slot[..OpeningSize];
        slot.Clear();
        BinaryPrimitives.WriteInt64LittleEndian(half[8..], sequence);
        opening.Invocation.Value.TryWriteBytes(half[16..], bigEndian: true, out _);
        opening.Revision.Endpoint.Value.TryWriteBytes(half[32..], bigEndian: true, out _);
        BinaryPrimitives.WriteInt64LittleEndian(half[48..], opening.Instance);
        BinaryPrimitives.WriteInt64LittleEndian(half[56..], StoredTime.ToMicroseconds(opening.StartedAt));
        BinaryPrimitives.WriteInt32LittleEndian(half[64..], opening.Revision.Number);
        BinaryPrimitives.WriteInt32LittleEndian(half[68..], opening.MemoryMib);
        half[72] = (byte)Encoding.UTF8.GetBytes(opening.Tenant.Value, half.Slice(73, TenantBytesMax));
        half[136] = Codes.Lines.Code(opening.Line);
        half[137] = opening.IsMirror ? MirrorFlag : (byte)0;
        Seal(half);
    }

    public static void WriteClosing(Span<byte> slot, Receipt receipt)
    {
        var half = slot.Slice(OpeningSize, ClosingSize);
        half.Clear();
        BinaryPrimitives.WriteInt64LittleEndian(half[8..], receipt.Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(half[16..], receipt.Instance);
        BinaryPrimitives.WriteInt64LittleEndian(half[24..], StoredTime.ToMicroseconds(receipt.StartedAt));
        half[32] = Codes.Outcomes.Code(receipt.Outcome);
        half[33] = Codes.Starts.Code(receipt.Start);
        half[34] = receipt.Cause is { } cause ? Codes.Causes.Code(cause) : (byte)0;
        half[35] = receipt.Rung is { } rung ? Codes.Rungs.Code(rung) : (byte)0;
        BinaryPrimitives.WriteInt32LittleEndian(half[36..], receipt.MemoryMib);
        BinaryPrimitives.WriteInt64LittleEndian(half[40..], receipt.Times.QueueMicroseconds);
        BinaryPrimitives.WriteInt64LittleEndian(half[48..], receipt.Times.StartMicroseconds);
        BinaryPrimitives.WriteInt64LittleEndian(half[56..], receipt.Times.LoadMicroseconds);
        BinaryPrimitives.WriteInt64LittleEndian(half[64..], receipt.Times.RunMicroseconds);
        BinaryPrimitives.WriteInt64LittleEndian(half[72..], receipt.CpuMicroseconds);
        BinaryPrimitives.WriteInt64LittleEndian(half[80..], receipt.MeteredMicroseconds);
        BinaryPrimitives.WriteInt64LittleEndian(half[88..], receipt.BilledMilliseconds);
        BinaryPrimitives.WriteInt64LittleEndian(half[96..], receipt.PricePico);
        BinaryPrimitives.WriteInt32LittleEndian(half[104..], receipt.Status);
        half[108] = Codes.Lines.Code(receipt.Line);
        half[109] = receipt.RungReason is { } reason ? Codes.RungReasons.Code(reason) : (byte)0;
        Seal(half);
    }

    /// <summary>False when the slot is free or its opening was torn.</summary>
    public static bool TryReadOpening(ReadOnlySpan<byte> slot, out long sequence, out InvocationOpening opening)
    {
        var half = slot[..OpeningSize];
        sequence = BinaryPrimitives.ReadInt64LittleEndian(half[8..]);
        opening = default;
        if (sequence < 1 || !IsSealed(half) || half[72] > TenantBytesMax || !Codes.Lines.TryValue(half[136], out var line))
        {
            return false;
        }

        opening = new InvocationOpening(
            new InvocationId(new Guid(half.Slice(16, 16), bigEndian: true)),
            new TenantId(Encoding.UTF8.GetString(half.Slice(73, half[72]))),
            new RevisionId(new EndpointId(new Guid(half.Slice(32, 16), bigEndian: true)), BinaryPrimitives.ReadInt32LittleEndian(half[64..])),
            BinaryPrimitives.ReadInt64LittleEndian(half[48..]),
            StoredTime.FromMicroseconds(BinaryPrimitives.ReadInt64LittleEndian(half[56..])),
            BinaryPrimitives.ReadInt32LittleEndian(half[68..]),
            line,
            (half[137] & MirrorFlag) != 0);
        return true;
    }

    /// <summary>The receipt of a slot whose opening was read; null when it is still open, or its closing was torn.</summary>
    public static Receipt? ReadClosing(ReadOnlySpan<byte> slot, Guid serverId, long sequence, in InvocationOpening opening)
    {
        var half = slot.Slice(OpeningSize, ClosingSize);
        if (BinaryPrimitives.ReadInt64LittleEndian(half[8..]) != sequence
            || !IsSealed(half)
            || !Codes.Outcomes.TryValue(half[32], out var outcome)
            || !Codes.Starts.TryValue(half[33], out var start)
            || !Codes.Lines.TryValue(half[108], out var line))
        {
            return null;
        }

        return new Receipt
        {
            ServerId = serverId,
            Sequence = sequence,
            Invocation = opening.Invocation,
            Tenant = opening.Tenant,
            Revision = opening.Revision,
            Instance = BinaryPrimitives.ReadInt64LittleEndian(half[16..]),
            Line = line,
            StartedAt = StoredTime.FromMicroseconds(BinaryPrimitives.ReadInt64LittleEndian(half[24..])),
            Outcome = outcome,
            Status = BinaryPrimitives.ReadInt32LittleEndian(half[104..]),
            Start = start,
            Cause = Codes.Causes.TryValue(half[34], out var cause) ? cause : null,
            Rung = Codes.Rungs.TryValue(half[35], out var rung) ? rung : null,
            RungReason = Codes.RungReasons.TryValue(half[109], out var reason) ? reason : null,
            Times = new InvocationTimes(
                BinaryPrimitives.ReadInt64LittleEndian(half[40..]),
                BinaryPrimitives.ReadInt64LittleEndian(half[48..]),
                BinaryPrimitives.ReadInt64LittleEndian(half[56..]),
                BinaryPrimitives.ReadInt64LittleEndian(half[64..])),
            IsMirror = opening.IsMirror,
            CpuMicroseconds = BinaryPrimitives.ReadInt64LittleEndian(half[72..]),
            MemoryMib = BinaryPrimitives.ReadInt32LittleEndian(half[36..]),
            MeteredMicroseconds = BinaryPrimitives.ReadInt64LittleEndian(half[80..]),
            BilledMilliseconds = BinaryPrimitives.ReadInt64LittleEndian(half[88..]),
            PricePico = BinaryPrimitives.ReadInt64LittleEndian(half[96..]),
        };
    }

    private static void Seal(Span<byte> half) =>

        // Written last: until then the half reads as free. Aligned, since a slot begins at a multiple of 256 bytes and a half at a multiple of 16.
        Volatile.Write(ref MemoryMarshal.AsRef<uint>(half), Checksum(half));

    private static bool IsSealed(ReadOnlySpan<byte> half) => BinaryPrimitives.ReadUInt32LittleEndian(half) == Checksum(half);

    private static uint Checksum(ReadOnlySpan<byte> half)
    {
        var checksum = ~0u;
        foreach (var word in MemoryMarshal.Cast<byte, ulong>(half[8..]))
        {
            checksum = BitOperations.Crc32C(checksum, word);
        }

        return checksum;
    }
}
