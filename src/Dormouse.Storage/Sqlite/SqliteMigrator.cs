using System.Globalization;

namespace Dormouse.Storage.Sqlite;

/// <summary>
/// Brings a database to this version's schema: numbered files <c>Migrations/NNNN_name.sql</c>, forward only, one transaction each. The number of the
/// last one is the database's <c>user_version</c>.
/// </summary>
internal static class SqliteMigrator
{
    private const long ApplicationId = 0x446F726D;

    private static readonly (int Version, string Resource)[] Migrations = FindMigrations();

    public static int CurrentVersion => Migrations[^1].Version;

    /// <summary>Looks at an existing file without changing it.</summary>
    /// <exception cref="DataFolderException">It was written by a newer version, or by another program.</exception>
    public static void Check(string path)
    {
        if (!File.Exists(path))
        {
            return;
        }

        using var session = File.Exists(path + "-wal") ? SqliteSession.OpenReader(path) : SqliteSession.OpenUntouched(path);
        var version = session.Number("PRAGMA user_version");
        if (version > CurrentVersion)
        {
            throw new DataFolderException(
                $"The data in '{path}' has format {version}, written by a newer version of Dormouse; this version reads up to format {CurrentVersion}. Use the newer version, or another folder.");
        }

        // A file without tables is what a first start leaves that was killed at once.
        if (session.Number("PRAGMA application_id") != ApplicationId && session.Number("SELECT COUNT(*) FROM sqlite_master") > 0)
        {
            throw new DataFolderException($"'{path}' is a database of another program. Choose another folder.");
        }
    }

    public static void Migrate(SqliteSession session)
    {
        var version = session.Number("PRAGMA user_version");
        foreach (var (number, resource) in Migrations)
        {
            if (number <= version)
            {
                continue;
            }

            session.Execute("BEGIN IMMEDIATE");
            session.Script(ReadText(resource));
            session.Script(string.Create(CultureInfo.InvariantCulture, $"PRAGMA user_version = {number}"));
            session.Execute("COMMIT");
        }
    }

    private static (int Version, string Resource)[] FindMigrations()
    {
        const string Prefix = "Dormouse.Storage.Sqlite.Migrations.";
        return
        [
            .. typeof(SqliteMigrator).Assembly.GetManifestResourceNames()
                .Where(n => n.StartsWith(Prefix, StringComparison.Ordinal))
                .Select(n => (int.Parse(n.AsSpan(Prefix.Length, 4), CultureInfo.InvariantCulture), n))
                .Order(),
        ];
    }

    private static string ReadText(string resource)
    {
        // The name comes from the assembly's own list.
        using var reader = new StreamReader(typeof(SqliteMigrator).Assembly.GetManifestResourceStream(resource)!);
        return reader.ReadToEnd();
    }
}
