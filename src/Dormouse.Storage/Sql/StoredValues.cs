using System.Data.Common;
using Dormouse.Core.Packages;
using Microsoft.Data.Sqlite;

namespace Dormouse.Storage.Sql;

/// <summary>How values that the database has no type for lie in it.</summary>
internal static class StoredValues
{
    /// <summary>PostgreSQL has a type for ids; SQLite keeps their 16 bytes in big-endian order, which sort alike.</summary>
    public static Guid Id(this DbDataReader reader, int column) =>
        reader is SqliteDataReader ? new Guid(reader.GetFieldValue<byte[]>(column), bigEndian: true) : reader.GetGuid(column);

    /// <summary>A yes or no, which is 1 or 0.</summary>
    public static bool Flag(this DbDataReader reader, int column) => reader.GetInt64(column) != 0;

    public static string? Text(this DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public static DateTimeOffset Time(this DbDataReader reader, int column) => StoredTime.FromMicroseconds(reader.GetInt64(column));

    /// <summary>Upper half of a 128-bit sum.</summary>
    public static long High(Int128 value) => (long)(value >> 64);

    /// <summary>Lower half, its bits read as a signed number because the database knows no other.</summary>
    public static long Low(Int128 value) => unchecked((long)(ulong)value);

    public static Int128 Wide(long high, long low) => ((Int128)high << 64) | unchecked((ulong)low);

    public static PackageFile File(this DbDataReader reader, int column) =>
        new(reader.GetString(column), new BlobHash(reader.GetString(column + 1)), reader.GetInt64(column + 2));
}
