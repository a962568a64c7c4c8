using System.Net.Sockets;
using Npgsql;

namespace Dormouse.Storage.Postgres;

/// <summary>Which of the database's errors may pass by themselves.</summary>
internal static class PostgresErrors
{
    /// <summary>The session was ended because its transaction stood still.</summary>
    private const string IdleInTransaction = "25P03";

    public static Exception Translate(Exception error) => error switch
    {
        StorageFullException or StoreUnavailableException => error,
        PostgresException { SqlState: PostgresErrorCodes.DiskFull } e => new StorageFullException("The disk of the database is full. Make room there and try again.", e),
        PostgresException e when IsAway(e.SqlState) => new StoreUnavailableException($"The database does not answer: {e.MessageText} ({e.SqlState}).", e),
        PostgresException => error,
        NpgsqlException e => new StoreUnavailableException($"The database does not answer: {e.InnerException?.Message ?? e.Message}", e),
        TimeoutException or SocketException or IOException => new StoreUnavailableException($"The database does not answer: {error.Message}", error),
        _ => error,
    };

    /// <summary>True when the database took too long: it may hang, and so would another try.</summary>
    public static bool IsTimeout(Exception error) => error is TimeoutException or NpgsqlException { InnerException: TimeoutException };

    private static bool IsAway(string state) => state[..2] switch
    {
        // Connections: broken, refused for want of rights or room.
        "08" or "28" => true,
        // The operator shuts it down, it starts, it recovers.
        "57" => true,
        // It is overloaded: too many connections, out of memory.
        "53" => true,
        // Another transaction was in the way.
        "40" => true,
        _ => state is PostgresErrorCodes.LockNotAvailable
            or PostgresErrorCodes.ReadOnlySqlTransaction
            or IdleInTransaction
            or PostgresErrorCodes.InvalidCatalogName,
    };
}
