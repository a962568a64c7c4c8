using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Storage.Sql;

namespace Dormouse.Storage.Sqlite;

/// <summary>
/// Brings a database to this version's schema: numbered files <c>Migrations/NNNN_name.sql</c>, forward only, one transaction each. The number of the
/// last one is the database's <c>user_version</c>.
/// </summary>
internal static class SqliteMigrator
{
    private const long ApplicationId = 0x446F726D;

    private static readonly ImmutableArray<Migration> Migrations = Migration.FindAll("Sqlite");

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
        foreach (var migration in Migrations)
        {
            if (migration.Version <= version)
            {
                continue;
            }

            session.Begin();
            session.Script(migration.ReadText());
            session.Script(string.Create(CultureInfo.InvariantCulture, $"PRAGMA user_version = {migration.Version}"));
            session.Commit();
        }
    }
}
