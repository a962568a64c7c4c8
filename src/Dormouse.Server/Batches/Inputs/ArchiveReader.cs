using System.Formats.Tar;
using System.Globalization;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>An uploaded folder: a tar archive, each of whose files is one item, in the archive's order.</summary>
/// <remarks>A mark is the offset of an entry and how many of the entries from there on are done: an empty file has no place of its own.</remarks>
internal sealed class ArchiveReader : IItemReader
{
    private const int BlockBytes = 512;

    private readonly Stream _stream;
    private readonly TarReader _archive;
    private readonly int _bytesMax;
    private long _offset;
    private int _done;
    private int _passing;

    /// <param name="stream">It can seek; the reader disposes of it.</param>
    /// <param name="mark">Null = from the beginning.</param>
    /// <param name="bytesMax">Largest file that is an item.</param>
    public ArchiveReader(Stream stream, string? mark, int bytesMax)
    {
        (_stream, _bytesMax) = (stream, bytesMax);
        if (mark?.Split(' ') is [var offset, var done])
        {
            (_offset, _passing) = (long.Parse(offset, CultureInfo.InvariantCulture), int.Parse(done, CultureInfo.InvariantCulture));
        }

        stream.Position = _offset;
        _archive = new TarReader(stream, leaveOpen: true);
    }

    public async ValueTask<InputPiece?> NextAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (await _archive.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
            {
                if (entry.Length > 0 && entry.DataOffset >= 0)
                {
                    (_offset, _done) = (entry.DataOffset + ((entry.Length + BlockBytes - 1) / BlockBytes * BlockBytes), 0);
                }
                else
                {
                    _done++;
                }

                if (_done > 0 && _done <= _passing)
                {
                    continue;
                }

                _passing = 0;
                var mark = string.Create(CultureInfo.InvariantCulture, $"{_offset} {_done}");
                var name = entry.Name.StartsWith("./", StringComparison.Ordinal) ? entry.Name[2..] : entry.Name;
                return entry.EntryType is not (TarEntryType.RegularFile or TarEntryType.V7RegularFile) || FileItem.IsHidden(name)
                    ? new InputPiece.Nothing(name, mark, _offset)
                    : await FileItem.ReadAsync(name, entry.DataStream, entry.Length, _bytesMax, mark, _offset, cancellationToken);
            }

            return null;
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or EndOfStreamException)
        {
            throw new InputUnreadableException("It is no tar archive, or a damaged one.", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _archive.DisposeAsync();
        await _stream.DisposeAsync();
    }
}
