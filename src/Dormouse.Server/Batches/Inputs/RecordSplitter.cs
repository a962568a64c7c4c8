namespace Dormouse.Server.Batches.Inputs;

internal enum RecordFault
{
    None,

    /// <summary>It is longer than a record may be; its bytes are not there.</summary>
    TooLong,

    /// <summary>A quote in it is never closed; its first line is there.</summary>
    Unclosed,
}

/// <param name="Bytes">Without the line's end; valid until the next one is read.</param>
/// <param name="Line">Number of its first line, from 1.</param>
/// <param name="End">Offset of the next record.</param>
/// <param name="NextLine">Number of the line there.</param>
internal readonly record struct InputRecord(ReadOnlyMemory<byte> Bytes, RecordFault Fault, long Line, long End, long NextLine);

/// <summary>
/// Cuts a stream into lines, or into records whose quoted fields may hold line ends, and knows the offset of each. What is too long is passed over without being held. A quote that is
/// never closed would swallow the rest of the input: it costs its own line only.
/// </summary>
/// <param name="stream">It can seek.</param>
/// <param name="bytesMax">Longest record.</param>
internal sealed class RecordSplitter(Stream stream, int bytesMax, bool hasQuotes)
{
    private const int BufferFirst = 64 * 1024;

    private byte[] _buffer = new byte[Math.Min(BufferFirst, bytesMax + 1)];
    private int _start;
    private int _count;
    private long _offset;
    private long _line = 1;

    /// <summary>Goes on at an offset.</summary>
    public void MoveTo(long offset, long line)
    {
        stream.Position = offset;
        (_offset, _line, _start, _count) = (offset, line, 0, 0);
    }

    /// <summary>Passes over the mark that some programs write before UTF-8.</summary>
    public async ValueTask SkipByteOrderMarkAsync(CancellationToken cancellationToken)
    {
        await FillAsync(3, cancellationToken);
        if (_buffer.AsSpan(_start, _count) is [0xEF, 0xBB, 0xBF, ..])
        {
            Pass(3, 0);
        }
    }

    /// <summary>Null at the end.</summary>
    public async ValueTask<InputRecord?> NextAsync(CancellationToken cancellationToken)
    {
        var scan = default(Scan);
        while (true)
        {
            if (Look(ref scan) is var length && length >= 0)
            {
                return Take(length, length + 1, RecordFault.None, scan.Lines + 1);
            }

            if (_count > bytesMax)
            {
                return scan.IsQuoted && scan.FirstLine >= 0 ? Take(scan.FirstLine, scan.FirstLine + 1, RecordFault.Unclosed, 1) : await PassOverAsync(cancellationToken);
            }

            if (!await FillAsync(_count + 1, cancellationToken))
            {
                return _count == 0 ? null
                    : scan.IsQuoted && scan.FirstLine >= 0 ? Take(scan.FirstLine, scan.FirstLine + 1, RecordFault.Unclosed, 1)
                    : Take(_count, _count, scan.IsQuoted ? RecordFault.Unclosed : RecordFault.None, 1);
            }
        }
    }

    /// <summary>Length of the record when its end is in the buffer, else -1; goes on where the last look ended.</summary>
    private int Look(ref Scan scan)
    {
        var bytes = _buffer.AsSpan(_start, _count);
        while (scan.At < bytes.Length)
        {
            var rest = bytes[scan.At..];
            var next = hasQuotes ? rest.IndexOfAny((byte)'"', (byte)'\n') : rest.IndexOf((byte)'\n');
            if (next < 0)
            {
                scan.At = bytes.Length;
                break;
            }

            var place = scan.At + next;
            scan.At = place + 1;
            if (bytes[place] == '"')
            {
                scan.IsQuoted = !scan.IsQuoted;
            }
            else if (!scan.IsQuoted)
            {
                return place;
            }
            else
            {
                scan.Lines++;
                scan.FirstLine = scan.Lines == 1 ? place : scan.FirstLine;
            }
        }

        if (scan.Lines == 0)
        {
            scan.FirstLine = -1;
        }

        return -1;
    }

    private async ValueTask<InputRecord> PassOverAsync(CancellationToken cancellationToken)
    {
        var line = _line;
        while (true)
        {
            var end = _buffer.AsSpan(_start, _count).IndexOf((byte)'\n');
            Pass(end < 0 ? _count : end + 1, end < 0 ? 0 : 1);
            if (end >= 0 || !await FillAsync(1, cancellationToken))
            {
                return new InputRecord(ReadOnlyMemory<byte>.Empty, RecordFault.TooLong, line, _offset, _line);
            }
        }
    }

    private InputRecord Take(int length, int passed, RecordFault fault, int lines)
    {
        var (start, line) = (_start, _line);
        var shown = length > 0 && _buffer[start + length - 1] == '\r' ? length - 1 : length;
        Pass(passed, lines);
        return new InputRecord(_buffer.AsMemory(start, shown), fault, line, _offset, _line);
    }

    private void Pass(int bytes, int lines)
    {
        _start += bytes;
        _count -= bytes;
        _offset += bytes;
        _line += lines;
    }

    /// <summary>False when the stream ends before so many bytes are in the buffer.</summary>
    private async ValueTask<bool> FillAsync(int wanted, CancellationToken cancellationToken)
    {
        if (_start > 0 && _buffer.Length - _start < wanted)
        {
            _buffer.AsSpan(_start, _count).CopyTo(_buffer);
            _start = 0;
        }

        if (_buffer.Length < wanted)
        {
            // One byte more than a record may have, so that a longer one shows.
            Array.Resize(ref _buffer, (int)Math.Min(Math.Max(2L * _buffer.Length, wanted), bytesMax + 1L));
        }

        while (_count < wanted)
        {
            var read = await stream.ReadAsync(_buffer.AsMemory(_start + _count), cancellationToken);
            if (read == 0)
            {
                return false;
            }

            _count += read;
        }

        return true;
    }

    /// <summary>How far a record was looked through.</summary>
    private struct Scan
    {
        public int At;
        public bool IsQuoted;
        public int Lines;

        /// <summary>Length of its first line; -1 = its end was not seen.</summary>
        public int FirstLine;
    }
}
