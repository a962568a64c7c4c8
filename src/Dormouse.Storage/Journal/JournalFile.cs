using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using Dormouse.Storage.Posix;

namespace Dormouse.Storage.Journal;

/// <summary>
/// The journal's file, mapped: a page of header, then slots of <see cref="JournalRecord.Size"/> bytes. What is written to the mapping belongs to the
/// kernel at once, so it outlives a killed process. All blocks are reserved before it is mapped: a full disk shows here, not as SIGBUS later.
/// <code>header: 0 "DMJOURNL" · 8 version u32 · 12 slot size u32 · 16 slot count u32 · 20 zero · 24 server id (big-endian)</code>
/// </summary>
internal sealed unsafe class JournalFile : IDisposable
{
    private const int Version = 1;
    private const int HeaderSize = 4_096;

    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _slots;

    private JournalFile(MemoryMappedFile map, MemoryMappedViewAccessor view, int slotCount, IReadOnlyList<int> usedSlots)
    {
        _map = map;
        _view = view;
        SlotCount = slotCount;
        UsedSlots = usedSlots;
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _slots = start + view.PointerOffset + HeaderSize;
    }

    public int SlotCount { get; }

    /// <summary>Slots that held a record when the file was opened, in ascending order.</summary>
    public IReadOnlyList<int> UsedSlots { get; }

    private static ReadOnlySpan<byte> Magic => "DMJOURNL"u8;

    /// <summary>Opens the file with the size it has, or makes it with <paramref name="bytes"/>.</summary>
    /// <exception cref="DataFolderException">It has another format or belongs to another data folder.</exception>
    /// <exception cref="StorageFullException">There is no room for it.</exception>
    public static JournalFile Open(string path, Guid serverId, long bytes)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.Read,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        using var stream = new FileStream(path, options);
        Span<byte> header = stackalloc byte[40];
        if (stream.Length < HeaderSize || !TryReadHeader(stream, header))
        {
            // New, or killed while it was made: no slot can be in use.
            Make(stream, serverId, bytes, header);
        }

        var slotCount = Check(path, header, serverId);
        var size = HeaderSize + ((long)slotCount * JournalRecord.Size);
        Libc.Allocate(stream.SafeFileHandle, size);
        var used = FindUsed(stream, slotCount);
        var map = MemoryMappedFile.CreateFromFile(stream, null, size, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
        return new JournalFile(map, map.CreateViewAccessor(0, size, MemoryMappedFileAccess.ReadWrite), slotCount, used);
    }

    /// <summary>Number of slots in a file of <paramref name="bytes"/>.</summary>
    public static int SlotsOf(long bytes) => checked((int)((bytes - HeaderSize) / JournalRecord.Size));

    public Span<byte> Slot(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)SlotCount);
        return new Span<byte>(_slots + ((long)index * JournalRecord.Size), JournalRecord.Size);
    }

    /// <summary>Writes changed pages to the disk: for the power cut that follows an orderly stop.</summary>
    public void Flush() => _view.Flush();

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }

    private static bool TryReadHeader(FileStream stream, Span<byte> header)
    {
        stream.Position = 0;
        stream.ReadExactly(header);
        return header[..8].SequenceEqual(Magic);
    }

    /// <summary>Reads instead of touching the mapping: pages of it that nobody uses then cost the server no memory.</summary>
    private static List<int> FindUsed(FileStream stream, int slotCount)
    {
        const int SlotsPerRead = 256;
        var used = new List<int>();
        var buffer = new byte[SlotsPerRead * JournalRecord.Size];
        stream.Position = HeaderSize;
        for (var first = 0; first < slotCount; first += SlotsPerRead)
        {
            var count = Math.Min(SlotsPerRead, slotCount - first);
            stream.ReadExactly(buffer, 0, count * JournalRecord.Size);
            for (var i = 0; i < count; i++)
            {
                if (JournalRecord.IsUsed(buffer.AsSpan(i * JournalRecord.Size, JournalRecord.Size)))
                {
                    used.Add(first + i);
                }
            }
        }

        return used;
    }

    private static void Make(FileStream stream, Guid serverId, long bytes, Span<byte> header)
    {
        stream.SetLength(0);
        Libc.Allocate(stream.SafeFileHandle, bytes);
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], JournalRecord.Size);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], (uint)SlotsOf(bytes));
        serverId.TryWriteBytes(header[24..], bigEndian: true, out _);
        Magic.CopyTo(header);
        stream.Position = 0;
        stream.Write(header);
        stream.Flush(flushToDisk: true);
    }

    private static int Check(string path, ReadOnlySpan<byte> header, Guid serverId)
    {
        var version = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (version != Version || BinaryPrimitives.ReadUInt32LittleEndian(header[12..]) != JournalRecord.Size)
        {
            throw new DataFolderException($"The journal '{path}' has format {version}; this version reads format {Version}. Use the version that wrote it, or another folder.");
        }

        var owner = new Guid(header.Slice(24, 16), bigEndian: true);
        return owner == serverId
            ? checked((int)BinaryPrimitives.ReadUInt32LittleEndian(header[16..]))
            : throw new DataFolderException($"The journal '{path}' belongs to server {owner}, the database beside it to {serverId}. Put the two that belong together into one folder.");
    }
}
