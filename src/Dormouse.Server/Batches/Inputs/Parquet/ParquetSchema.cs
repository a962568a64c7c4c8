using System.Collections.Immutable;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>From the schema of a file to its columns: single values and lists of them; a structure, a map or a list in a list is refused.</summary>
internal static class ParquetSchema
{
    private const int ColumnsMax = 10_000;

    /// <summary>No decimal number of the format has more bytes in practice: 38 digits take 16.</summary>
    private const int DecimalBytesMax = 64;

    private const int DecimalScaleMax = 150;

    public static ImmutableArray<ParquetColumn> Read(ref CompactReader reader)
    {
        var count = reader.List(CompactKind.Struct);
        if (count is 0 or > (4 * ColumnsMax) + 1)
        {
            throw new ParquetFaultException($"its schema has {count} entries; up to {ColumnsMax} columns are read");
        }

        var elements = new SchemaElement[count];
        for (var i = 0; i < count; i++)
        {
            elements[i] = SchemaElement.Read(ref reader);
        }

        var columns = ImmutableArray.CreateBuilder<ParquetColumn>();
        for (var at = 1; at < count;)
        {
            columns.Add(Column(elements.AsSpan(at), out var used));
            at += used;
        }

        if (columns.Count != elements[0].Children || columns.Count == 0)
        {
            throw new ParquetFaultException("its schema does not name as many columns as it says");
        }

        return columns.Select(c => c.Name).Distinct(StringComparer.Ordinal).Count() == columns.Count
            ? columns.ToImmutable()
            : throw new ParquetFaultException("two of its columns have the same name");
    }

    private static ParquetColumn Column(ReadOnlySpan<SchemaElement> elements, out int used)
    {
        var top = elements[0];
        if (top.Children == 0)
        {
            used = 1;
            var level = top.IsOptional || top.IsRepeated ? 1 : 0;
            return Leaf(top, top, [top.Name], isList: top.IsRepeated, level, elementLevel: level, isNullable: top.IsOptional);
        }

        if (!top.IsListGroup || top.IsRepeated || top.Children != 1 || elements.Length < 2 || elements[1] is not { IsRepeated: true } middle)
        {
            throw Nested(top);
        }

        var elementLevel = top.IsOptional ? 2 : 1;
        if (middle.Children == 0)
        {
            used = 2;
            return Leaf(top, middle, [top.Name, middle.Name], isList: true, elementLevel, elementLevel, top.IsOptional);
        }

        // The format's rule for files from before lists had three levels: these names are those of a structure.
        var isStructure = middle.Name == "array" || middle.Name == top.Name + "_tuple";
        if (isStructure || middle.Children != 1 || elements.Length < 3 || elements[2] is not { Children: 0, IsRepeated: false } element)
        {
            throw Nested(top);
        }

        used = 3;
        return Leaf(top, element, [top.Name, middle.Name, element.Name], isList: true, elementLevel + (element.IsOptional ? 1 : 0), elementLevel, top.IsOptional);
    }

    private static ParquetColumn Leaf(SchemaElement top, SchemaElement leaf, ImmutableArray<string> path, bool isList, int definitionMax, int elementLevel, bool isNullable)
    {
        if (leaf.Storage is not (>= (int)ParquetStorage.Boolean and <= (int)ParquetStorage.FixedBytes and var number))
        {
            throw new ParquetFaultException($"column '{top.Name}' is of a kind that is not known");
        }

        var storage = (ParquetStorage)number;
        var width = storage switch
        {
            ParquetStorage.Boolean => 1,
            ParquetStorage.Int32 or ParquetStorage.Float => sizeof(int),
            ParquetStorage.Int64 or ParquetStorage.Double => sizeof(long),
            ParquetStorage.Int96 => 12,
            ParquetStorage.FixedBytes => leaf.Width > 0 ? leaf.Width : throw new ParquetFaultException($"column '{top.Name}' has values of {leaf.Width} bytes"),
            _ => 0,
        };
        return Fits(leaf.Meaning, storage, width, leaf.Scale)
            ? new ParquetColumn(top.Name, path, storage, leaf.Meaning, width, leaf.Scale, leaf.IsUtc, isList, definitionMax, elementLevel, isNullable)
            : throw new ParquetFaultException($"column '{top.Name}' is said to hold what its values cannot");
    }

    private static bool Fits(ParquetMeaning meaning, ParquetStorage storage, int width, int scale) => meaning switch
    {
        ParquetMeaning.Text => storage is ParquetStorage.ByteArray or ParquetStorage.FixedBytes,
        ParquetMeaning.Unsigned => storage is ParquetStorage.Int32 or ParquetStorage.Int64,
        ParquetMeaning.Decimal => scale is >= 0 and <= DecimalScaleMax && width <= DecimalBytesMax
            && storage is ParquetStorage.Int32 or ParquetStorage.Int64 or ParquetStorage.ByteArray or ParquetStorage.FixedBytes,
        ParquetMeaning.Date => storage is ParquetStorage.Int32,
        ParquetMeaning.Time => scale > 0 && storage is ParquetStorage.Int32 or ParquetStorage.Int64,
        ParquetMeaning.Timestamp => scale > 0 && storage is ParquetStorage.Int64,
        ParquetMeaning.Uuid => width == 16 && storage is ParquetStorage.FixedBytes,
        ParquetMeaning.Half => width == 2 && storage is ParquetStorage.FixedBytes,
        _ => true,
    };

    private static ParquetFaultException Nested(SchemaElement top) =>
        new($"column '{top.Name}' is a structure, a map or a list in a list; columns of single values and of lists of them are read: leave it out, or write it as JSON text");
}
