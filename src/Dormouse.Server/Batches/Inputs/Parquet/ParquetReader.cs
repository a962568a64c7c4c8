using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Batches;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>
/// A Parquet file: each row is one item. Of a row group one page and the dictionary of each column are held, never the whole. The mark is the row group and how many of its rows are done;
/// pages that lie before it are passed over. The file is its sender's: whatever it says is held against what it has.
/// </summary>
internal sealed class ParquetReader : IItemReader
{
    private readonly Stream _stream;
    private readonly ParquetFooter _footer;
    private readonly ParquetRow _row;
    private readonly CellSink _sink;
    private readonly HeldBytes _held;
    private readonly int _bytesMax;
    private ImmutableArray<ColumnCursor> _cursors = [];
    private ParquetGroup? _open;
    private int _group;
    private long _done;
    private long _rowsBefore;

    private ParquetReader(Stream stream, ParquetFooter footer, ParquetRow row, int bytesMax, long heldMax) =>
        (_stream, _footer, _row, _bytesMax, _sink, _held) = (stream, footer, row, bytesMax, new CellSink(bytesMax), new HeldBytes(heldMax));

    /// <param name="stream">It can seek; the reader disposes of it.</param>
    /// <param name="mark">Null = from the first row.</param>
    /// <param name="bytesMax">Longest row that is an item.</param>
    /// <param name="heldMax">Most bytes of pages and dictionaries that are held at a time.</param>
    /// <param name="rowOf">Says what columns become.</param>
    /// <exception cref="InputUnreadableException">It is none that can be read, or its columns do not fit.</exception>
    public static async Task<ParquetReader> OpenAsync(
        Stream stream, string? mark, int bytesMax, long heldMax, Func<ImmutableArray<ParquetColumn>, ParquetRow> rowOf, CancellationToken cancellationToken)
    {
        try
        {
            var footer = await ParquetFooter.ReadAsync(stream, cancellationToken);
            var reader = new ParquetReader(stream, footer, rowOf(footer.Columns), bytesMax, heldMax);
            if (mark?.Split(' ') is [var group, var done])
            {
                (reader._group, reader._done) = (int.Parse(group, CultureInfo.InvariantCulture), long.Parse(done, CultureInfo.InvariantCulture));
                reader._rowsBefore = footer.RowsBefore(reader._group);
            }

            return reader;
        }
        catch (Exception e) when (e is ParquetFaultException or EndOfStreamException)
        {
            throw Unreadable(e);
        }
    }

    public async ValueTask<InputPiece?> NextAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (!await OpenGroupAsync(cancellationToken))
            {
                return null;
            }

            await _row.ReadAsync(_footer.Columns, _cursors, _sink, cancellationToken);
        }
        catch (Exception e) when (e is ParquetFaultException or EndOfStreamException)
        {
            throw Unreadable(e);
        }

        _done++;
        var name = string.Create(CultureInfo.InvariantCulture, $"row {_rowsBefore + _done}");
        var mark = string.Create(CultureInfo.InvariantCulture, $"{_group} {_done}");
        var fault = _sink.IsTooLong ? new ItemFault(ProblemCode.BodyTooLarge.Code, LinesReader.TooLong(_bytesMax))
            : _sink.Fault is { } misfit ? new ItemFault(ProblemCode.InputInvalid.Code, misfit)
            : null;
        return fault is null ? new InputPiece.Request(name, _sink.EndRow(), MediaTypes.Json, mark, ReadBytes()) : new InputPiece.Broken(name, fault, mark, ReadBytes());
    }

    public ValueTask DisposeAsync()
    {
        CloseGroup();
        _sink.Dispose();
        return _stream.DisposeAsync();
    }

    private static InputUnreadableException Unreadable(Exception fault) =>
        new(fault is ParquetFaultException ? $"It is no Parquet file that can be read: {fault.Message}." : "It is no Parquet file that can be read: it ends before what it says that it has.", fault);

    /// <summary>The row group of the next row is open; false when there is none.</summary>
    private async ValueTask<bool> OpenGroupAsync(CancellationToken cancellationToken)
    {
        while (_open is null || _done >= _open.Rows)
        {
            if (_open is { } ended)
            {
                (_group, _done, _rowsBefore) = (_group + 1, 0, _rowsBefore + ended.Rows);
                CloseGroup();
            }

            if (_group >= _footer.Groups)
            {
                return false;
            }

            var group = _footer.Group(_group);
            _cursors = [.. group.Chunks.Select(c => new ColumnCursor(_stream, c, _held))];
            if (_done < group.Rows)
            {
                foreach (var cursor in _done == 0 ? [] : _cursors)
                {
                    await cursor.SkipAsync(_done, _sink, cancellationToken);
                }
            }

            _open = group;
        }

        return true;
    }

    private void CloseGroup()
    {
        foreach (var cursor in _cursors)
        {
            cursor.Dispose();
        }

        (_cursors, _open) = ([], null);
    }

    /// <summary>About how much of the file was read: all of it with its last row.</summary>
    private long ReadBytes()
    {
        if (_group == _footer.Groups - 1 && _done == _open!.Rows)
        {
            return _stream.Length;
        }

        var bytes = _open!.Chunks.Sum(c => c.Bytes);
        return _footer.BytesBefore(_group) + (long)((double)bytes * _done / _open.Rows);
    }
}
