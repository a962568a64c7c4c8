using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Server.Dispatch;

namespace Dormouse.Server.Deploying;

/// <summary>Keeps optimised models and says whether a revision has one for the engine in use.</summary>
internal sealed class OptimisedModels(IDerivedFiles derived, IBlobStore blobs, OptimisedFiles routed, IInstanceDriver driver)
{
    /// <summary>Key of the last inspection, for drivers that do not say theirs.</summary>
    private volatile string? _inspected;

    /// <summary>Engine version, CPU features and recipe, as a worker said it last; null while none has.</summary>
    public string? EngineKey => driver.EngineKey ?? _inspected;

    public async Task<bool> ExistsAsync(Revision revision, CancellationToken cancellationToken) =>
        EngineKey is { } key
        && ModelFiles.Of(revision)?.Model is { } model
        && await derived.FindAsync(revision.Tenant, model.Hash, key, cancellationToken) is not null;

    /// <summary>As people are told: until the first worker of this server has said what its engine is, a file for any engine counts, which nearly always is the same one.</summary>
    public async Task<bool> IsShownAsync(Revision revision, CancellationToken cancellationToken) =>
        EngineKey is null && ModelFiles.Of(revision)?.Model is { } model
            ? await derived.AnyAsync(revision.Tenant, model.Hash, cancellationToken)
            : await ExistsAsync(revision, cancellationToken);

    /// <summary>Moves a file just made into the store; starts from now on use it.</summary>
    public async Task KeepAsync(Revision revision, string key, string path, CancellationToken cancellationToken)
    {
        if (ModelFiles.Of(revision)?.Model is not { } model)
        {
            return;
        }

        var file = await blobs.AdoptAsync(revision.Tenant, path, Path.ChangeExtension(model.Path, ".ort"), cancellationToken);
        await derived.SaveAsync(revision.Tenant, model.Hash, key, file, cancellationToken);
        _inspected = key;
        routed.Remember(revision.Tenant, model.Hash, key, file);
    }
}
