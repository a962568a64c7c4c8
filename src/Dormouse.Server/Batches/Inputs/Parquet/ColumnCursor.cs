using System.Buffers;
using System.Numerics;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>Goes through the values of one column in a row group, row by row, and holds its dictionary and one page.</summary>
internal sealed class ColumnCursor(Stream stream, ParquetChunk chunk, HeldBytes held) : IDisposable
{
    private const int HeaderFirst = 4 << 10;

    private const int HeaderMax = 1 << 20;

    /// <summary>Entries passed between two looks at whether to go on.</summary>
    private const int EntriesBetweenLooks = 1 << 16;

    private readonly long _end = chunk.Offset + chunk.Bytes;
    private long _at = chunk.Offset;
    private PageDictionary? _dictionary;
    private PageValues? _values;
    private (PageEncoding Encoding, byte[] Page, int At) _data;
    private BitRuns? _definitions;
    private BitRuns? _repetitions;
    private int? _repetitionAhead;
    private long _pageBytes;
    private int _entries;
    private long _passed;
    private int _untilLook = EntriesBetweenLooks;

    private ParquetColumn Column => chunk.Column;

    public void Dispose()
    {
        held.Free(_pageBytes + (_dictionary?.Bytes ?? 0));
        (_pageBytes, _dictionary) = (0, null);
    }

    /// <summary>Gives the value, or the list, of the next row to the sink.</summary>
    public async ValueTask ReadAsync(CellSink sink, CancellationToken cancellationToken)
    {
        if (_entries == 0 && !await LoadAsync(0, cancellationToken))
        {
            throw Ends();
        }

        if (!Column.IsList)
        {
            Give(sink, TakeDefinition());
            return;
        }

        if (TakeRepetition() != 0)
        {
            throw new ParquetFaultException($"column '{Column.Name}' goes on with a list that did not begin");
        }

        var level = TakeDefinition();
        if (level < Column.ElementLevel)
        {
            GiveNone(sink, isNull: Column.IsNullable && level == 0);
            return;
        }

        sink.BeginList();
        Give(sink, level);
        while ((_entries > 0 || await LoadAsync(0, cancellationToken)) && PeekRepetition() != 0)
        {
            Look(cancellationToken);
            TakeRepetition();
            level = TakeDefinition();
            if (level < Column.ElementLevel)
            {
                throw new ParquetFaultException($"column '{Column.Name}' has an empty list within a list");
            }

            Give(sink, level);
        }

        sink.EndList();
    }

    /// <summary>Passes over rows; pages of single values without unpacking them.</summary>
    public async ValueTask SkipAsync(long rows, CellSink sink, CancellationToken cancellationToken)
    {
        sink.Refuse("passed over");
        while (rows > 0)
        {
            if (!Column.IsList && _entries == 0)
            {
                var before = _passed;
                var isLoaded = await LoadAsync(rows, cancellationToken);
                rows -= _passed - before;
                if (rows == 0)
                {
                    return;
                }

                if (!isLoaded)
                {
                    throw Ends();
                }
            }

            Look(cancellationToken);
            await ReadAsync(sink, cancellationToken);
            rows--;
        }
    }

    private static void GiveNone(CellSink sink, bool isNull)
    {
        if (isNull)
        {
            sink.Null();
            return;
        }

        sink.BeginList();
        sink.EndList();
    }

    private void Give(CellSink sink, int level)
    {
        if (level == Column.DefinitionMax)
        {
            // A page of nothing but nulls may have nothing where values would begin. What is there is read whether anybody wants it or not: so are those behind it found.
            _values ??= PageValues.Of(Column, _data.Encoding, _data.Page, _data.At, _dictionary);
            sink.Add(_values.Next());
        }
        else
        {
            sink.Null();
        }
    }

    private int TakeDefinition()
    {
        _entries--;
        var level = _definitions?.Next() ?? 0;
        return level <= Column.DefinitionMax ? level : throw new ParquetFaultException($"column '{Column.Name}' has levels that cannot be");
    }

    private int PeekRepetition() => _repetitionAhead ??= _repetitions!.Next();

    private int TakeRepetition()
    {
        var level = PeekRepetition();
        _repetitionAhead = null;
        return level;
    }

    private void Look(CancellationToken cancellationToken)
    {
        if (--_untilLook == 0)
        {
            _untilLook = EntriesBetweenLooks;
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Opens the next page that has entries; false when there is none.</summary>
    /// <param name="skip">Pages with no more entries than so many in all are passed over, and their entries counted in <see cref="_passed"/>.</param>
    private async ValueTask<bool> LoadAsync(long skip, CancellationToken cancellationToken)
    {
        while (_entries == 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            FreePage();
            if (_at >= _end)
            {
                return false;
            }

            var (header, stored, length) = await ReadHeaderAsync(cancellationToken);
            _at += length + header.Stored;
            if (header.Kind is PageKind.Data or PageKind.DataV2 && header.Values <= skip)
            {
                (skip, _passed) = (skip - header.Values, _passed + header.Values);
            }
            else if (header.Kind != PageKind.Index)
            {
                await OpenAsync(header, stored, cancellationToken);
            }
        }

        return true;
    }

    private void FreePage()
    {
        held.Free(_pageBytes);
        (_pageBytes, _values, _data) = (0, null, default);
    }

    /// <summary>The header at the mark, what was read behind it, and how long it is.</summary>
    private async ValueTask<(PageHeader Header, ReadOnlyMemory<byte> Behind, int Length)> ReadHeaderAsync(CancellationToken cancellationToken)
    {
        for (var size = (int)Math.Min(HeaderFirst, _end - _at); ; size = (int)Math.Min(HeaderMax, _end - _at))
        {
            var bytes = new byte[size];
            stream.Position = _at;
            await stream.ReadExactlyAsync(bytes, cancellationToken);
            try
            {
                var reader = new CompactReader(bytes);
                var header = PageHeader.Read(ref reader);
                return header.Stored <= _end - _at - reader.Position
                    ? (header, bytes.AsMemory(reader.Position), reader.Position)
                    : throw new ParquetFaultException($"a page of column '{Column.Name}' is longer than the column");
            }
            catch (ParquetFaultException e) when (e.IsCut && size < HeaderMax && size < _end - _at)
            {
                // Some writers put the smallest and the largest value there, however long these are.
            }
        }
    }

    private async ValueTask OpenAsync(PageHeader header, ReadOnlyMemory<byte> behind, CancellationToken cancellationToken)
    {
        held.Take((long)header.Stored + header.Unpacked, Column.Name);
        var stored = ArrayPool<byte>.Shared.Rent(header.Stored);
        try
        {
            var have = Math.Min(behind.Length, header.Stored);
            behind[..have].CopyTo(stored);
            await stream.ReadExactlyAsync(stored.AsMemory(have, header.Stored - have), cancellationToken);
            var page = new byte[header.Unpacked];
            var levels = header.Kind == PageKind.DataV2 ? header.RepetitionBytes + header.DefinitionBytes : 0;
            stored.AsSpan(0, levels).CopyTo(page);
            PageCodec.Unpack(header.IsPacked ? chunk.Codec : 0, stored.AsMemory(levels, header.Stored - levels), page.AsSpan(levels));
            if (header.Kind == PageKind.Dictionary)
            {
                OpenDictionary(header, page);
            }
            else
            {
                OpenData(header, page);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(stored);
            held.Free((long)header.Stored + (_pageBytes == 0 ? header.Unpacked : 0));
        }
    }

    private void OpenDictionary(PageHeader header, byte[] page)
    {
        if (_dictionary is not null)
        {
            throw new ParquetFaultException($"column '{Column.Name}' has two dictionaries");
        }

        var dictionary = new PageDictionary(Column, page, header.Values);
        held.Take(dictionary.Bytes, Column.Name);
        _dictionary = dictionary;
    }

    private void OpenData(PageHeader header, byte[] page)
    {
        var (at, width) = (0, 32 - BitOperations.LeadingZeroCount((uint)Column.DefinitionMax));
        if (header.Kind == PageKind.DataV2)
        {
            at = header.RepetitionBytes + header.DefinitionBytes;
            _repetitions = Column.IsList ? new BitRuns(page, 0, header.RepetitionBytes, 1) : null;
            _definitions = width > 0 ? new BitRuns(page, header.RepetitionBytes, at, width) : null;
        }
        else if (header.Kind == PageKind.Data && (header.RepetitionEncoding, header.DefinitionEncoding) == (PageEncoding.Rle, PageEncoding.Rle))
        {
            _repetitions = Column.IsList ? BitRuns.WithLength(page, ref at, 1) : null;
            _definitions = width > 0 ? BitRuns.WithLength(page, ref at, width) : null;
        }
        else
        {
            throw new ParquetFaultException($"column '{Column.Name}' has pages of a kind that is not read");
        }

        _data = (header.Encoding, page, at);
        (_entries, _pageBytes, _repetitionAhead) = (header.Values, page.Length, null);
    }

    private ParquetFaultException Ends() => new($"column '{Column.Name}' ends before its rows do");
}
