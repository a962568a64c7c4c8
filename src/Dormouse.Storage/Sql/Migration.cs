using System.Collections.Immutable;
using System.Globalization;

namespace Dormouse.Storage.Sql;

/// <summary>One step of a database's schema: an embedded file <c>NNNN_name.sql</c>, run once, forward only, in a transaction of its own.</summary>
internal sealed record Migration(int Version, string Resource)
{
    /// <summary>All of one database, in order.</summary>
    /// <param name="database">The folder they lie in: <c>Sqlite</c> or <c>Postgres</c>.</param>
    public static ImmutableArray<Migration> FindAll(string database)
    {
        var prefix = $"Dormouse.Storage.{database}.Migrations.";
        return
        [
            .. typeof(Migration).Assembly.GetManifestResourceNames()
                .Where(n => n.StartsWith(prefix, StringComparison.Ordinal))
                .Select(n => new Migration(int.Parse(n.AsSpan(prefix.Length, 4), CultureInfo.InvariantCulture), n))
                .OrderBy(m => m.Version),
        ];
    }

    public string ReadText()
    {
        // The name comes from the assembly's own list.
        using var reader = new StreamReader(typeof(Migration).Assembly.GetManifestResourceStream(Resource)!);
        return reader.ReadToEnd();
    }
}
