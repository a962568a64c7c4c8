using Microsoft.Data.Sqlite;

namespace Dormouse.Storage.Sqlite;

/// <summary>Which of the database's errors mean a full disk.</summary>
internal static class SqliteErrors
{
    private const int InputOutput = 10;
    private const int Full = 13;

    /// <summary>
    /// A full disk shows as SQLITE_FULL from the database file and as SQLITE_IOERR from the log and its index; both leave the transaction undone,
    /// both may pass, so callers see one exception.
    /// </summary>
    public static Exception Translate(Exception error) => error switch
    {
        SqliteException { SqliteErrorCode: Full } e => new StorageFullException("The disk of the data folder is full. Free space and try again.", e),
        SqliteException { SqliteErrorCode: InputOutput } e =>
            new StorageFullException($"The disk of the data folder is full or failing (error {e.SqliteExtendedErrorCode}). Free space and try again.", e),
        _ => error,
    };
}
