using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>
/// What the end of a file says of it: its columns, and where each row group has their values. The whole of it is checked when it is read, so that a damaged file runs no item; a row group's
/// places are read again when it is its turn, so that what is held of a file with very many of them is their bytes.
/// </summary>
internal sealed class ParquetFooter
{
    private const int BytesMax = 64 << 20;

    /// <summary>Length of the footer, and the letters PAR1.</summary>
    private const int TailBytes = 8;

    private readonly byte[] _bytes;
    private readonly ImmutableArray<(int Position, long Rows, long BytesBefore)> _groups;
    private readonly long _dataEnd;

    private ParquetFooter(byte[] bytes, long dataEnd)
    {
        (_bytes, _dataEnd) = (bytes, dataEnd);
        var groups = ImmutableArray.CreateBuilder<(int, long, long)>();
        var (rows, before) = (-1L, 0L);
        var reader = new CompactReader(bytes);
        for (var id = 0; reader.NextField(ref id, out var kind);)
        {
            switch (id)
            {
                case 2 when kind == CompactKind.List:
                    Columns = ParquetSchema.Read(ref reader);
                    break;
                case 3:
                    rows = reader.Number();
                    break;
                case 4 when kind == CompactKind.List:
                    for (var left = reader.List(CompactKind.Struct); left > 0; left--)
                    {
                        var position = reader.Position;
                        var group = ReadGroup(ref reader);
                        groups.Add((position, group.Rows, before));
                        // Places may lie over each other in a file made to harm.
                        before = Math.Min(before + group.Chunks.Sum(c => c.Bytes), dataEnd);
                    }

                    break;
                case 8:
                    throw new ParquetFaultException("it is encrypted");
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        _groups = groups.ToImmutable();
        if (Columns.IsDefaultOrEmpty || rows < 0 || rows != _groups.Sum(g => (decimal)g.Rows))
        {
            throw new ParquetFaultException($"it says that it has {rows} rows, and its row groups have {_groups.Sum(g => (decimal)g.Rows).ToString(CultureInfo.InvariantCulture)}");
        }
    }

    public ImmutableArray<ParquetColumn> Columns { get; }

    public int Groups => _groups.Length;

    /// <summary>Bytes of the row groups before it.</summary>
    public long BytesBefore(int group) => _groups[group].BytesBefore;

    /// <summary>Rows of the row groups before it.</summary>
    public long RowsBefore(int group) => _groups.Take(group).Sum(g => g.Rows);

    public ParquetGroup Group(int group)
    {
        var reader = new CompactReader(_bytes) { Position = _groups[group].Position };
        return ReadGroup(ref reader);
    }

    public static async Task<ParquetFooter> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var tail = new byte[TailBytes];
        if (stream.Length < TailBytes + 4)
        {
            throw new ParquetFaultException("it is too short to be one");
        }

        stream.Position = stream.Length - TailBytes;
        await stream.ReadExactlyAsync(tail, cancellationToken);
        if (!tail.AsSpan(4).SequenceEqual("PAR1"u8))
        {
            throw new ParquetFaultException(tail.AsSpan(4).SequenceEqual("PARE"u8) ? "it is encrypted" : "it does not end as one: it was cut off, or is something else");
        }

        var length = BinaryPrimitives.ReadUInt32LittleEndian(tail);
        if (length > stream.Length - TailBytes - 4 || length > BytesMax)
        {
            throw new ParquetFaultException($"it says that its footer has {length} bytes; the file has {stream.Length}, and up to {BytesMax} are read");
        }

        var bytes = new byte[length];
        var start = stream.Length - TailBytes - length;
        stream.Position = start;
        await stream.ReadExactlyAsync(bytes, cancellationToken);
        return new ParquetFooter(bytes, start);
    }

    private ParquetGroup ReadGroup(ref CompactReader reader)
    {
        if (Columns.IsDefaultOrEmpty)
        {
            throw new ParquetFaultException("its row groups stand before its schema");
        }

        var chunks = ImmutableArray.CreateBuilder<ParquetChunk>(Columns.Length);
        var rows = -1L;
        for (var id = 0; reader.NextField(ref id, out var kind);)
        {
            switch (id)
            {
                case 1 when kind == CompactKind.List:
                    var count = reader.List(CompactKind.Struct);
                    if (count != Columns.Length)
                    {
                        throw new ParquetFaultException($"a row group has {count} columns, the file {Columns.Length}");
                    }

                    foreach (var column in Columns)
                    {
                        chunks.Add(ReadChunk(ref reader, column));
                    }

                    break;
                case 3:
                    rows = reader.Number();
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        foreach (var chunk in chunks)
        {
            // Each row has one value of a column, or at least one entry of a list.
            if (rows < 0 || (chunk.Column.IsList ? chunk.Values < rows : chunk.Values != rows))
            {
                throw new ParquetFaultException($"a row group has {rows} rows and {chunk.Values} values of column '{chunk.Column.Name}'");
            }
        }

        return chunks.Count == Columns.Length ? new ParquetGroup(rows, chunks.MoveToImmutable()) : throw new ParquetFaultException("a row group has no columns");
    }

    private ParquetChunk ReadChunk(ref CompactReader reader, ParquetColumn column)
    {
        ParquetChunk? chunk = null;
        for (var id = 0; reader.NextField(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    throw new ParquetFaultException("a part of it is in another file");
                case 3 when kind == CompactKind.Struct:
                    chunk = ReadPlace(ref reader, column);
                    break;
                case 8 or 9:
                    throw new ParquetFaultException($"column '{column.Name}' is encrypted");
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        return chunk ?? throw new ParquetFaultException($"it does not say where column '{column.Name}' is");
    }

    private ParquetChunk ReadPlace(ref CompactReader reader, ParquetColumn column)
    {
        var (storage, codec, values, bytes, data, dictionary) = (-1, -1, -1L, -1L, -1L, 0L);
        for (var id = 0; reader.NextField(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    storage = reader.Int32();
                    break;
                case 3 when kind == CompactKind.List:
                    CheckPath(ref reader, column);
                    break;
                case 4:
                    codec = reader.Int32();
                    break;
                case 5:
                    values = reader.Number();
                    break;
                case 7:
                    bytes = reader.Number();
                    break;
                case 9:
                    data = reader.Number();
                    break;
                case 11:
                    dictionary = reader.Number();
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        var start = dictionary > 0 && dictionary < data ? dictionary : data;
        if (storage != (int)column.Storage || values < 0 || bytes < 0 || start < 4 || start > _dataEnd || bytes > _dataEnd - start)
        {
            throw new ParquetFaultException($"column '{column.Name}' is said to have {values} values in {bytes} bytes at {start}, which cannot be");
        }

        return PageCodec.IsKnown(codec) ? new ParquetChunk(column, codec, values, start, bytes) : throw new ParquetFaultException(PageCodec.Unknown(column.Name, codec));
    }

    private static void CheckPath(ref CompactReader reader, ParquetColumn column)
    {
        var names = reader.List(CompactKind.Binary);
        for (var i = 0; i < names; i++)
        {
            var name = reader.Binary();
            if (i >= column.Path.Length || Encoding.UTF8.GetString(name) != column.Path[i])
            {
                throw new ParquetFaultException($"its columns are not in the order of its schema at '{column.Name}'");
            }
        }
    }
}
