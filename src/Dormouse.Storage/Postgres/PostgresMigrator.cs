using System.Collections.Immutable;
using Dormouse.Storage.Sql;

namespace Dormouse.Storage.Postgres;

/// <summary>
/// Brings a database to this version's schema: numbered files <c>Migrations/NNNN_name.sql</c>, forward only, all that are missing in one transaction. The number of the last one is in
/// <c>dormouse_schema</c>. Of several servers that start together one migrates and the others wait for it.
/// </summary>
internal static class PostgresMigrator
{
    private static readonly ImmutableArray<Migration> Migrations = Migration.FindAll("Postgres");

    public static int CurrentVersion => Migrations[^1].Version;

    /// <summary>The schema's version; null when there is none yet.</summary>
    /// <remarks>Read from the catalogue's table: <c>to_regclass</c> would remember within a transaction what was not there before its lock was waited for.</remarks>
    public static long? Version(SqlSession session) => session.Has("SELECT 1 FROM pg_class WHERE relname = 'dormouse_schema' AND pg_table_is_visible(oid)")
        ? session.First("SELECT version FROM dormouse_schema", r => (long?)r.GetInt64(0))
        : null;

    /// <exception cref="DataFolderException">A newer version or another program wrote it; nothing was changed.</exception>
    public static void Migrate(PostgresSession session, PostgresAddress address)
    {
        if (Version(session) == CurrentVersion)
        {
            return;
        }

        MakeSchema(session);
        session.Transact(() =>
        {
            // The word is the lock's own; it says nothing about anything else that the database is used for.
            session.Execute("SELECT pg_advisory_xact_lock(hashtext('dormouse_schema ' || current_schema()))");
            var version = Version(session) ?? 0;
            if (version > CurrentVersion)
            {
                throw new DataFolderException(
                    $"The data in {address} has format {version}, written by a newer version of Dormouse; this version reads up to format {CurrentVersion}. Use the newer version, or another database.");
            }

            if (version == 0 && session.Has("SELECT 1 WHERE to_regclass('endpoints') IS NOT NULL OR to_regclass('receipts') IS NOT NULL"))
            {
                throw new DataFolderException($"{address} holds tables of another program with names that are needed here. Use an empty database, or a schema of its own (?search_path=dormouse).");
            }

            foreach (var migration in Migrations.Where(m => m.Version > version))
            {
                session.Script(migration.ReadText());
            }

            if (version == 0)
            {
                session.Script("CREATE TABLE dormouse_schema (only_row smallint NOT NULL PRIMARY KEY CHECK (only_row = 1), version bigint NOT NULL)");
            }

            session.Execute(
                "INSERT INTO dormouse_schema (only_row, version) VALUES (1, $version) ON CONFLICT (only_row) DO UPDATE SET version = excluded.version", ("$version", CurrentVersion));
        });
    }

    /// <summary>The first name of the search path, when the address gives one that is not there yet.</summary>
    private static void MakeSchema(PostgresSession session)
    {
        if (!session.Has("SELECT 1 WHERE current_schema() IS NULL"))
        {
            return;
        }

        session.Transact(() =>
        {
            // IF NOT EXISTS alone does not do: of two that make it at the same time one fails on the catalogue's index.
            session.Execute("SELECT pg_advisory_xact_lock(hashtext('dormouse_schema of ' || current_setting('search_path')))");
            // Quoted by the database itself: it gives the name back as it must be written.
            var name = session.First("SELECT quote_ident(trim(both ' \"' from split_part(current_setting('search_path'), ',', 1)))", r => r.GetString(0));
            session.Script($"CREATE SCHEMA IF NOT EXISTS {name}");
        });
    }
}
