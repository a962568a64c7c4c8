using Dormouse.Core.Sharing;
using Dormouse.Storage.Sql;

namespace Dormouse.Storage.Postgres;

/// <summary>The table of what was changed: written in the transaction that changes, told to all servers when it commits.</summary>
internal static class PostgresChanges
{
    /// <summary>Of the database; servers of another schema of it look once in vain.</summary>
    public const string Channel = "dormouse_changes";

    /// <summary>Changes that are kept. A server that has missed more reads everything again.</summary>
    public const int KeptMax = 10_000;

    /// <summary>One round trip. Nobody else writes meanwhile, so the numbers have no gaps.</summary>
    private const string Insert =
        """
        WITH added AS (
            INSERT INTO dormouse_changes (number, kind, subject, server_id)
            VALUES ((SELECT COALESCE(MAX(number), 0) + 1 FROM dormouse_changes), $kind, $subject, $server) RETURNING number
        ), gone AS (
            DELETE FROM dormouse_changes WHERE number <= (SELECT number FROM added) - $kept
        )
        SELECT pg_notify('dormouse_changes', '')
        """;

    public static void Add(SqlSession session, SharedKind kind, string subject, Guid server) => session.Execute(
        Insert, ("$kind", Codes.SharedKinds.Text(kind)), ("$subject", subject), ("$server", server), ("$kept", KeptMax));

    /// <summary>Number of the last change; 0 = there was none.</summary>
    public static long Last(SqlSession session) => session.Number("SELECT COALESCE(MAX(number), 0) FROM dormouse_changes");
}
