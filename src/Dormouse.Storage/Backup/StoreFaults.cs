using Dormouse.Storage.Posix;
using Dormouse.Storage.Sqlite;
using Microsoft.Data.Sqlite;

namespace Dormouse.Storage.Backup;

/// <summary>What can go wrong with folders and databases outside of a server, in the words that a server uses.</summary>
internal static class StoreFaults
{
    public static T Told<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (SqliteException e) when (SqliteErrors.Translate(e) is StorageFullException full)
        {
            throw full;
        }
        catch (SqliteException e)
        {
            throw new DataFolderException($"The database cannot be used: {e.Message}", e);
        }
        catch (IOException e) when (Libc.IsNoSpace(e) && e is not StorageFullException)
        {
            throw new StorageFullException($"The disk is full: {e.Message}", e);
        }
        catch (Exception e) when (e is UnauthorizedAccessException || (e is IOException and not (StorageFullException or StoreUnavailableException)))
        {
            throw new DataFolderException(e.Message, e);
        }
        catch (Exception e) when (e is System.Data.Common.DbException or TimeoutException or System.Net.Sockets.SocketException)
        {
            throw Postgres.PostgresErrors.Translate(e) is StoreUnavailableException away ? away : new DataFolderException($"The database cannot be used: {e.Message}", e);
        }
    }
}
