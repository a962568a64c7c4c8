using System.CommandLine;
using System.Globalization;
using System.Runtime.CompilerServices;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Server.Hosting;

namespace Dormouse.Cli.Hosting;

/// <summary><c>dormouse storage backup | restore | check | migrate</c>: a server's data, by the settings that a server would start with; no server is asked.</summary>
internal static class StorageCommand
{
    private static readonly Option<string?> Data = new("--data") { HelpName = "folder", Description = "Data folder. Default: DORMOUSE_DATA, else ~/.local/share/dormouse." };
    private static readonly Option<string?> Database = new("--storage") { HelpName = "url", Description = "Database: sqlite, or postgres://user:password@host/database. Default: DORMOUSE_STORAGE, else what server.yaml says, else sqlite." };
    private static readonly Option<string?> Config = new("--config") { HelpName = "file", Description = "Settings file. Default: server.yaml in the data folder, when there is one." };

    private enum Work
    {
        Backup,
        Restore,
        Check,
        Migrate,
    }

    public static Command Create(GlobalOptions globals)
    {
        var target = new Argument<string>("folder") { Description = "New or empty." };
        var backup = new Argument<string>("folder") { Description = "What 'storage backup' made." };
        var to = new Option<string?>("--to") { HelpName = "url", Description = "Copy everything into this database as well: an empty postgres://…, or sqlite." };
        return new CliCommand("storage", "Back up, restore, check and move what a server keeps.", "dormouse storage backup /backups/monday", "dormouse storage check")
        {
            new CliCommand(
                "backup", "Copy all that the server keeps into a folder, also while it serves. The folder holds keys: keep it safe.",
                "dormouse storage backup /backups/monday", "dormouse storage backup --data /srv/dormouse /backups/monday") { target, Data, Database, Config }
                .Runs(globals, (session, parsed, token) => RunAsync(session, parsed, Work.Backup, Path.GetFullPath(parsed.GetRequiredValue(target)), token)),
            new CliCommand(
                "restore", "Make a new data folder from a backup; with --storage postgres://… fill an empty database.",
                "dormouse storage restore /backups/monday --data /srv/dormouse", "dormouse storage restore /backups/monday --data /srv/new --storage postgres://dormouse@db/new") { backup, Data, Database, Config }
                .Runs(globals, (session, parsed, token) => RunAsync(session, parsed, Work.Restore, Path.GetFullPath(parsed.GetRequiredValue(backup)), token)),
            new CliCommand(
                "check", "Look whether everything is whole, also while the server serves: the database, totals against receipts, every file against its hash. Exit code 1 when not.",
                "dormouse storage check", "dormouse storage check --data /srv/dormouse") { Data, Database, Config }
                .Runs(globals, (session, parsed, token) => RunAsync(session, parsed, Work.Check, null, token)),
            new CliCommand(
                "migrate", "Bring the database to this version's format, as a start of the server would; with --to copy it into another kind of database. The server must not run.",
                "dormouse storage migrate", "dormouse storage migrate --to postgres://dormouse@db/dormouse") { to, Data, Database, Config }
                .Runs(globals, (session, parsed, token) => RunAsync(session, parsed, Work.Migrate, parsed.GetValue(to), token)),
        };
    }

    /// <summary>Apart and not inlined, so that no other command loads the server.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<int> RunAsync(Session session, ParseResult parsed, Work work, string? place, CancellationToken cancellationToken)
    {
        var data = parsed.GetValue(Data);
        var options = new ServerOptions { DataFolder = data is null ? null : Path.GetFullPath(data), Storage = parsed.GetValue(Database), ConfigFile = parsed.GetValue(Config) };
        StorageReport report;
        try
        {
            report = await (work switch
            {
                Work.Backup => StorageTool.BackupAsync(options, place!, cancellationToken),
                Work.Restore => StorageTool.RestoreAsync(options, place!, cancellationToken),
                Work.Check => StorageTool.CheckAsync(options, cancellationToken),
                _ => StorageTool.MigrateAsync(options, place, cancellationToken),
            });
        }
        catch (ServerStartException e)
        {
            throw new CommandException(ExitCodes.Refused, e.Failure == ServerStartFailure.Settings ? "settings_invalid" : "storage_unusable", e.Message);
        }

        var hasFaults = report.Faults is { Count: > 0 };
        if (session.Screen.IsJson)
        {
            session.Screen.Json(new StorageDocument(report.Store, report.Files, report.FileBytes, report.Rows, report.Faults, report.KeyFile), CliJson.Default.StorageDocument);
        }
        else
        {
            session.Screen.Line(hasFaults ? string.Join('\n', report.Faults!) : Sentence(work, report, place));
            if (report.KeyFile is { } keyFile)
            {
                session.Screen.Note(work == Work.Backup
                    ? $"The secrets are in it, sealed; the key file that opens them is not: {keyFile}. Keep a copy of it in another place than the backup."
                    : $"The secrets are restored, sealed. Put the key file of the server that was backed up at {keyFile}, or set them again.");
            }
        }

        return hasFaults ? ExitCodes.Failed : ExitCodes.Done;
    }

    private static string Sentence(Work work, StorageReport report, string? place)
    {
        var files = string.Create(CultureInfo.InvariantCulture, $"{report.Files} {(report.Files == 1 ? "file" : "files")}");
        return work switch
        {
            Work.Backup => $"The database ({report.Store}) and {files} ({Units.Bytes(report.FileBytes)}) are in {place}.",
            Work.Restore => $"The database (of {report.Store}) and {files} are restored. Settings are not: see folder/server.yaml of the backup.",
            Work.Check => $"All is well: {report.Store}, {files}.",
            _ when report.Rows is { } rows => $"{Units.Count(rows)} rows are copied from {report.Store}. Set 'storage' so that the server uses the copy from its next start on.",
            _ => $"{report.Store}: this is what this version needs.",
        };
    }
}
