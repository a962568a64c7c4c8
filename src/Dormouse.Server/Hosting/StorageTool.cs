using System.Collections;
using Dormouse.Core.Packages;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Storage;
using Dormouse.Storage.Backup;
using Dormouse.Storage.Postgres;

namespace Dormouse.Server.Hosting;

/// <param name="Store">The database and its version, for people.</param>
/// <param name="Files">Files of packages.</param>
/// <param name="FileBytes">What they take together.</param>
/// <param name="Rows">Rows that were copied from one database to another; null when none had to be.</param>
/// <param name="KeyFile">Where the file is, or belongs, without which the secrets in the database cannot be read; null = there are none.</param>
/// <param name="Faults">What is not as it should be, as sentences.</param>
public sealed record StorageReport(string Store, int Files = 0, long FileBytes = 0, long? Rows = null, IReadOnlyList<string>? Faults = null, string? KeyFile = null);

/// <summary>What can be done with a server's data without the server: it is found by the same settings that a server would start with.</summary>
/// <remarks>Each throws <see cref="ServerStartException"/> with a sentence for whoever asked.</remarks>
public static class StorageTool
{
    /// <summary>Copies all that the server keeps into a new folder, also while it serves.</summary>
    public static Task<StorageReport> BackupAsync(ServerOptions options, string target, CancellationToken cancellationToken) => RunAsync(options, async storage =>
    {
        var made = await StoreBackup.MakeAsync(storage, target, TimeProvider.System, cancellationToken);
        return new StorageReport(made.Store, made.Files, made.FileBytes, KeyFile: made.IsSealed ? storage.KeyFilePath : null);
    });

    /// <summary>Makes a new data folder from a backup, and with PostgreSQL fills an empty database.</summary>
    public static Task<StorageReport> RestoreAsync(ServerOptions options, string backup, CancellationToken cancellationToken) => RunAsync(options, async storage =>
    {
        var made = await StoreRestore.FromAsync(backup, storage, cancellationToken);
        return new StorageReport(made.Store, made.Files, made.FileBytes, KeyFile: made.IsSealed ? storage.KeyFilePath : null);
    });

    /// <summary>Looks whether everything is whole, also while the server serves.</summary>
    public static Task<StorageReport> CheckAsync(ServerOptions options, CancellationToken cancellationToken) => RunAsync(options, async storage =>
    {
        var report = await StoreCheck.OfAsync(storage, cancellationToken);
        return new StorageReport(report.Store, report.Files, Faults: report.Faults);
    });

    /// <summary>Brings the database to this version's format; then copies it when another one is named. The server must not run.</summary>
    /// <param name="options">As a server would start with.</param>
    /// <param name="target"><c>sqlite</c>, or the address of an empty PostgreSQL database; null = nothing is copied.</param>
    /// <param name="cancellationToken">Ends it; a copy that was not finished is as if it had not been begun.</param>
    public static Task<StorageReport> MigrateAsync(ServerOptions options, string? target, CancellationToken cancellationToken) => RunAsync(options, async storage =>
    {
        var to = target is null ? null : PostgresAddress.TryParse(target);
        if (target is not null && to is null && !target.Equals("sqlite", StringComparison.OrdinalIgnoreCase))
        {
            throw new ServerStartException(ServerStartFailure.Settings, $"--to is no database; allowed is sqlite, or {PostgresAddress.Allowed}.");
        }

        if (target is not null && (to is null) == (storage.Postgres is null))
        {
            throw new ServerStartException(ServerStartFailure.Settings, "--to names the kind of database that the data is in already. To copy one PostgreSQL database to another, use the tools of PostgreSQL, or a backup.");
        }

        string store;
        Exception? fault = null;
        await using (var open = await StorageSet.OpenAsync(storage, TimeProvider.System, new Uuid7Source(TimeProvider.System), e => fault = e, cancellationToken))
        {
            store = await open.DescribeAsync(cancellationToken);
        }

        if (fault is not null)
        {
            throw new ServerStartException(ServerStartFailure.DataFolder, $"Receipts of the journal could not be moved to the ledger: {fault.Message}", fault);
        }

        return target is null ? new StorageReport(store)
            : to is not null ? new StorageReport(store, Rows: await StoreRestore.ToPostgresAsync(storage, to, cancellationToken))
            : new StorageReport(store, Rows: await StoreRestore.ToSqliteAsync(storage, storage.Postgres!, TimeProvider.System, cancellationToken));
    });

    private static async Task<StorageReport> RunAsync(ServerOptions options, Func<StorageOptions, Task<StorageReport>> work)
    {
        ArgumentNullException.ThrowIfNull(options);
        var environment = options.Environment ?? Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(e => (string)e.Key, e => (string?)e.Value ?? "");
        var settings = ServerSettings.Load(options, environment);
        try
        {
            return await work(settings.StorageOptions);
        }
        catch (Exception e) when (e is DataFolderException or StorageFullException or StoreUnavailableException or BlobsAwayException)
        {
            throw new ServerStartException(ServerStartFailure.DataFolder, e.Message, e);
        }
    }
}
