using System.Collections.Immutable;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>How values lie in the file; the numbers are the format's.</summary>
internal enum ParquetStorage
{
    Boolean = 0,
    Int32 = 1,
    Int64 = 2,
    Int96 = 3,
    Float = 4,
    Double = 5,
    ByteArray = 6,
    FixedBytes = 7,
}

/// <summary>What values mean.</summary>
internal enum ParquetMeaning
{
    /// <summary>Whatever <see cref="ParquetStorage"/> says; bytes are bytes.</summary>
    Plain,
    Text,
    Unsigned,
    Decimal,
    Date,
    Time,
    Timestamp,
    Uuid,
    Half,
}

/// <summary>A column of single values, or of lists of them.</summary>
/// <param name="Name">Of the field at the top.</param>
/// <param name="Path">All names down to the values.</param>
/// <param name="Width">Bytes of one value of <see cref="ParquetStorage.FixedBytes"/>.</param>
/// <param name="Scale">Of <see cref="ParquetMeaning.Decimal"/>: digits behind the point; of times: units in a second.</param>
/// <param name="IsUtc">Of <see cref="ParquetMeaning.Timestamp"/>: an instant, not a local time.</param>
/// <param name="IsList">Each row has a list of values.</param>
/// <param name="DefinitionMax">This definition level has a value; a lower one is a null somewhere on the path.</param>
/// <param name="ElementLevel">From this definition level on the list has an element; below it, it is empty or null.</param>
/// <param name="IsNullable">The row's value, or its list, may be null.</param>
internal sealed record ParquetColumn(
    string Name, ImmutableArray<string> Path, ParquetStorage Storage, ParquetMeaning Meaning, int Width, int Scale, bool IsUtc, bool IsList, int DefinitionMax, int ElementLevel, bool IsNullable)
{
    /// <summary>1 when it has lists.</summary>
    public int RepetitionMax => IsList ? 1 : 0;
}

/// <summary>The values of a column in a row group.</summary>
/// <param name="Offset">Of its first page.</param>
/// <param name="Bytes">Of all its pages with their headers.</param>
internal sealed record ParquetChunk(ParquetColumn Column, int Codec, long Values, long Offset, long Bytes);

/// <summary>Some rows of a file, column by column.</summary>
internal sealed record ParquetGroup(long Rows, ImmutableArray<ParquetChunk> Chunks);
