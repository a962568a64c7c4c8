using Dormouse.Core.Packages;
using Microsoft.Data.Sqlite;

namespace Dormouse.Storage.Sqlite;

/// <summary>How values that the database has no type for lie in it.</summary>
internal static class StoredValues
{
    public static byte[] Bytes(Guid id) => id.ToByteArray(bigEndian: true);

    public static Guid Id(this SqliteDataReader reader, int column) => new(reader.GetFieldValue<byte[]>(column), bigEndian: true);

    public static string? Text(this SqliteDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public static DateTimeOffset Time(this SqliteDataReader reader, int column) => StoredTime.FromMicroseconds(reader.GetInt64(column));

    /// <summary>Upper half of a 128-bit sum.</summary>
    public static long High(Int128 value) => (long)(value >> 64);

    /// <summary>Lower half, its bits read as a signed number because the database knows no other.</summary>
    public static long Low(Int128 value) => unchecked((long)(ulong)value);

    public static Int128 Wide(long high, long low) => ((Int128)high << 64) | unchecked((ulong)low);

    public static PackageFile File(this SqliteDataReader reader, int column) =>
        new(reader.GetString(column), new BlobHash(reader.GetString(column + 1)), reader.GetInt64(column + 2));
}
