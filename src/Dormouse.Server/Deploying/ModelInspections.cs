using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Secrets;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Deploying;

/// <summary>Loads models in throw-away workers, one at a time so that the memory of one inspection bounds them all, and keeps the optimised file that comes of it.</summary>
internal sealed partial class ModelInspections(
    IModelInspector inspector, IBlobStore blobs, OptimisedModels optimised, SecretsOfRevisions secrets, WorkFolder work, VerifySettings limits, ILogger<ModelInspections> logger) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1);

    /// <summary>Never throws for a bad model or a full disk: those are outcomes.</summary>
    public async Task<Inspection> InspectAsync(Revision revision, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        var path = work.NewPath(".ort");
        try
        {
            return await InspectAsync(revision, path, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogUnavailable(e, revision.Id);
            return new Inspection.Unavailable(
                e is Storage.StorageFullException ? "the disk of the data folder is full" : "the package's files could not be read or the optimised file not be kept; the server's log has the cause");
        }
        finally
        {
            File.Delete(path);
            _one.Release();
        }
    }

    /// <summary>Imports a package's code and says which functions it has.</summary>
    /// <param name="spec">Handler, if its file is known, and environment.</param>
    public async Task<Inspection> ListAsync(TenantId tenant, Package package, RevisionSpec spec, CancellationToken cancellationToken) => await secrets.OpenAsync(tenant, spec, cancellationToken) switch
    {
        SecretsOutcome.Opened opened => await LookAsync(package, spec, request => request with { Lists = true, Secrets = opened.Secrets }, cancellationToken),
        SecretsOutcome.Refused refused => new Inspection.Refused(refused.Reason),
        _ => throw new InvalidOperationException("Secrets are opened or refused."),
    };

    /// <summary>Reads a package's code without importing it and says which environments its functions ask for.</summary>
    public Task<Inspection> ScanAsync(Package package, RevisionSpec spec, CancellationToken cancellationToken) => LookAsync(package, spec, request => request with { Scans = true }, cancellationToken);

    public void Dispose() => _one.Dispose();

    private async Task<Inspection> LookAsync(Package package, RevisionSpec spec, Func<InspectionRequest, InspectionRequest> how, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            return await inspector.InspectAsync(how(await RequestAsync(spec, package, cancellationToken) with { MemoryBytes = limits.MemoryBytes }), cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotListed(e);
            return new Inspection.Unavailable(e is Storage.StorageFullException ? "the disk of the data folder is full" : "the package's files could not be read; the server's log has the cause");
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Code must be imported within the memory that its instances will have; loading a model raw takes more than serving it.</summary>
    private async Task<InspectionRequest> RequestAsync(RevisionSpec spec, Package package, CancellationToken cancellationToken) => new()
    {
        Spec = spec,
        Package = package,
        Folder = await blobs.MaterialiseAsync(package, cancellationToken),
        MemoryBytes = spec.Kind.RunsModels ? limits.MemoryBytes : (long)spec.MemoryMib << 20,
        TimeLimit = limits.TimeLimit,
    };

    private async Task<Inspection> InspectAsync(Revision revision, string path, CancellationToken cancellationToken)
    {
        var outcome = await secrets.OpenAsync(revision.Tenant, revision.Spec, cancellationToken);
        if (outcome is SecretsOutcome.Refused refused)
        {
            return new Inspection.Refused(refused.Reason);
        }

        var request = await RequestAsync(revision.Spec, revision.Package, cancellationToken) with
        {
            OptimisedPath = revision.Spec.Kind.RunsModels ? path : null,
            Secrets = ((SecretsOutcome.Opened)outcome).Secrets,
        };
        var inspection = await inspector.InspectAsync(request, cancellationToken);
        switch (inspection)
        {
            case Inspection.Accepted { OptimisedKey: { } key }:
                await optimised.KeepAsync(revision, key, path, cancellationToken);
                break;

            case Inspection.Accepted { Note: { } note }:
                LogNotOptimised(revision.Id, note);
                break;

            case Inspection.Unavailable unavailable:
                LogNotRun(revision.Id, unavailable.Reason);
                break;
        }

        return inspection;
    }

    [LoggerMessage(EventId = 4101, EventName = "InspectionFailed", Level = LogLevel.Error, Message = "The model of {Revision} could not be inspected")]
    private partial void LogUnavailable(Exception exception, RevisionId revision);

    [LoggerMessage(EventId = 4102, EventName = "ModelNotOptimised", Level = LogLevel.Information,
        Message = "The model of {Revision} has no optimised file ({Note}); its starts load the original, which is slower")]
    private partial void LogNotOptimised(RevisionId revision, string note);

    [LoggerMessage(EventId = 4108, EventName = "FunctionsNotListed", Level = LogLevel.Error, Message = "The functions of a package could not be listed")]
    private partial void LogNotListed(Exception exception);

    [LoggerMessage(EventId = 4103, EventName = "InspectionUnavailable", Level = LogLevel.Warning,
        Message = "The model of {Revision} could not be inspected: {Reason}. 'dormouse doctor' shows what is missing")]
    private partial void LogNotRun(RevisionId revision, string reason);
}
