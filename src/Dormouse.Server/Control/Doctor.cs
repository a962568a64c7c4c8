using System.Collections.Immutable;
using Dormouse.Core.Environments;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Server.Deploying;
using Dormouse.Server.Hosting;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Storage;

namespace Dormouse.Server.Control;

/// <summary>The database in use and its version, for people.</summary>
internal sealed record StoreInUse(Func<CancellationToken, Task<string>> DescribeAsync);

/// <summary>Examines what the server stands on. Each check is a real try, not a look at a setting.</summary>
internal sealed class Doctor(
    ServerSettings settings, WorkFolder work, IInstanceDriver driver, ILedger ledger, StoreInUse store, OptimisedModels optimised, ListeningAt listening, IEnvironmentBuilder environments, IBlobStore blobs)
{
    /// <summary>Free space under which deploys and receipts are in danger.</summary>
    private const long FreeBytesLow = 1L << 30;

    private const string Ok = "ok";
    private const string Warning = "warning";
    private const string Failed = "failed";

    /// <param name="receiptsSince">The ledger is compared from here on; null = all of it, which takes long when there are many receipts.</param>
    public async Task<DoctorReport> ExamineAsync(DateTimeOffset? receiptsSince, CancellationToken cancellationToken)
    {
        ImmutableArray<DoctorCheck> checks =
        [
            await DataFolderAsync(cancellationToken),
            FreeSpace(),
            await StorageAsync(cancellationToken),
            .. await BlobsAsync(cancellationToken),
            .. driver.Probes.Select(p => new DoctorCheck(p.Name, p.Works ? Ok : Warning, p.Detail, null)),
            .. await NetworkAsync(cancellationToken),
            .. await TemplatesAsync(cancellationToken),
            .. await SnapshotsAsync(cancellationToken),
            .. await ContainerAsync(cancellationToken),
            Pythons(),
            Engine(),
            Listening(),
            Prices(),
            await LedgerAsync(receiptsSince, cancellationToken),
        ];
        return new DoctorReport(checks.All(c => c.Status != Failed), checks);
    }

    private async Task<DoctorCheck> DataFolderAsync(CancellationToken cancellationToken)
    {
        var path = work.NewPath(".probe");
        try
        {
            await File.WriteAllBytesAsync(path, new byte[4096], cancellationToken);
            File.Delete(path);
            return new DoctorCheck("data folder", Ok, $"{settings.Server.DataFolder} can be written.", null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new DoctorCheck("data folder", Failed, $"{settings.Server.DataFolder} cannot be written: {e.Message}", "Make room or mend the folder's permissions.");
        }
    }

    private DoctorCheck FreeSpace()
    {
        var free = new DriveInfo(settings.Server.DataFolder).AvailableFreeSpace;
        var text = $"{free / (double)(1L << 30):0.0} GiB free on the disk of the data folder.";
        return free < FreeBytesLow
            ? new DoctorCheck("disk", Warning, text, "Make room, or move the data folder with --data.")
            : new DoctorCheck("disk", Ok, text, null);
    }

    private async Task<DoctorCheck> StorageAsync(CancellationToken cancellationToken)
    {
        try
        {
            return new DoctorCheck("storage", Ok, await store.DescribeAsync(cancellationToken) + ".", null);
        }
        catch (StoreUnavailableException e)
        {
            return new DoctorCheck("storage", Failed, e.Message, "Start the database, or see why it cannot be reached from here; nothing that was accepted is lost meanwhile.");
        }
    }

    /// <summary>None where files are in the data folder alone.</summary>
    private async Task<ImmutableArray<DoctorCheck>> BlobsAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await blobs.ProbeAsync(cancellationToken) is { } name ? [new DoctorCheck("blobs", Ok, $"{name} can be written, read and removed from.", null)] : [];
        }
        catch (BlobsAwayException e)
        {
            return [new DoctorCheck("blobs", Failed, e.Message, "Nothing can be deployed meanwhile; what this server has copies of goes on.")];
        }
    }

    /// <summary>None where there is no sandbox, which another check says.</summary>
    private async Task<ImmutableArray<DoctorCheck>> NetworkAsync(CancellationToken cancellationToken) =>
        await driver.TryNetworkAsync(cancellationToken) is { } network ? [new DoctorCheck(network.Name, network.Works ? Ok : Warning, network.Detail, null)] : [];

    /// <summary>None where there is nothing that is forked.</summary>
    private async Task<ImmutableArray<DoctorCheck>> TemplatesAsync(CancellationToken cancellationToken) =>
        await driver.TryTemplateAsync(cancellationToken) is { } templates ? [new DoctorCheck(templates.Name, templates.Works ? Ok : Warning, templates.Detail, null)] : [];

    /// <summary>None where settings say that there are none.</summary>
    private async Task<ImmutableArray<DoctorCheck>> SnapshotsAsync(CancellationToken cancellationToken) =>
        await driver.TrySnapshotAsync(cancellationToken) is { } snapshots ? [new DoctorCheck(snapshots.Name, snapshots.Works ? Ok : Warning, snapshots.Detail, null)] : [];

    /// <summary>None while nothing is known.</summary>
    private async Task<ImmutableArray<DoctorCheck>> ContainerAsync(CancellationToken cancellationToken) =>
        await driver.TryContainerAsync(cancellationToken) is { } container ? [new DoctorCheck(container.Name, container.Works ? Ok : Warning, container.Detail, null)] : [];

    private DoctorCheck Engine() => optimised.EngineKey is { } key
        ? new DoctorCheck("engine", Ok, $"Loads; optimised models are made for {key}.", null)
        : new DoctorCheck("engine", Warning, "No worker has loaded the engine yet.", "Deploy or invoke something, then ask again.");

    private DoctorCheck Pythons()
    {
        var others = environments.Others();
        var build = settings.Environments.Build;
        return new DoctorCheck(
            "python versions", Ok, $"For python=…: {(others.IsEmpty ? "only the server's own" : string.Join(", ", others.Select(o => $"{o.Key} ({o.Value})")))}. Environments are built by {(build.Builder == "auto" ? "uv where it is there, else pip" : build.Builder)}.", null);
    }

    private DoctorCheck Listening() => listening.Addresses is { } addresses
        ? new DoctorCheck("addresses", Ok, $"HTTP at {addresses.Http}, gRPC at {addresses.Grpc}.", null)
        : new DoctorCheck("addresses", Warning, "The server is starting.", null);

    private DoctorCheck Prices()
    {
        var book = settings.Prices.Book;
        return new DoctorCheck(
            "prices", Ok,
            $"{PicoMoney.Format(book.OnDemandPicoPerGibSecond)} {book.Currency} per GB-second, {PicoMoney.Format(book.PicoPerInvocation)} {book.Currency} per invocation.",
            null);
    }

    private async Task<DoctorCheck> LedgerAsync(DateTimeOffset? since, CancellationToken cancellationToken)
    {
        ImmutableArray<string> differences;
        try
        {
            differences = await ledger.CheckAsync(since, cancellationToken);
        }
        catch (StoreUnavailableException)
        {
            return new DoctorCheck("ledger", Warning, "It could not be looked at: the database does not answer.", null);
        }

        var scope = since is { } from ? $" since {from.UtcDateTime:yyyy-MM-dd HH}:00 UTC" : "";
        return differences.IsEmpty
            ? new DoctorCheck("ledger", Ok, $"Every total{scope} equals the sum of its receipts.", null)
            : new DoctorCheck("ledger", Failed, string.Join(' ', differences.Take(5)), "Report this with a copy of the data folder; receipts are the truth, totals are made from them.");
    }
}
