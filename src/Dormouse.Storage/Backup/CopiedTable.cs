using System.Collections.Immutable;
using Dormouse.Storage.Sqlite;

namespace Dormouse.Storage.Backup;

/// <summary>A table that both databases have, under the same names.</summary>
internal sealed record CopiedTable(string Name, ImmutableArray<string> Columns)
{
    /// <summary>The folder's own identity, which PostgreSQL does not have.</summary>
    private const string OfTheFolder = "server";

    public string ColumnList => string.Join(", ", Columns);

    /// <summary>All tables of the embedded database, each behind those that it refers to.</summary>
    public static ImmutableArray<CopiedTable> All(SqliteSession session)
    {
        var names = session.All("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid", r => r.GetString(0)).Where(n => n != OfTheFolder).ToList();
        var ordered = ImmutableArray.CreateBuilder<CopiedTable>(names.Count);
        while (names.Count > 0)
        {
            var next = names.First(n => Referred(session, n).All(r => r == n || !names.Contains(r)));
            names.Remove(next);
            ordered.Add(new CopiedTable(next, [.. session.All("SELECT name FROM pragma_table_info($table) ORDER BY cid", r => r.GetString(0), ("$table", next))]));
        }

        return ordered.ToImmutable();
    }

    private static List<string> Referred(SqliteSession session, string table) =>
        session.All("SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($table)", r => r.GetString(0), ("$table", table));
}
