using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Server.Dispatch;

namespace Dormouse.Server.Deploying;

/// <summary>Keeps optimised models and says whether a revision has one for the engine in use.</summary>
internal sealed class OptimisedModels(IDerivedFiles derived, IBlobStore blobs, OptimisedFiles routed)
{
    private volatile string? _engineKey;

    /// <summary>Engine version, CPU features and recipe, as a worker said it last; null while none has.</summary>
    public string? EngineKey => _engineKey;

    public void Seen(string engineKey) => _engineKey = engineKey;

    public async Task<bool> ExistsAsync(Revision revision, CancellationToken cancellationToken) =>
        _engineKey is { } key
        && OptimisedFiles.ModelOf(revision.Package) is { } model
        && await derived.FindAsync(revision.Tenant, model.Hash, key, cancellationToken) is not null;

    /// <summary>Moves a file just made into the store; starts from now on use it.</summary>
    public async Task KeepAsync(Revision revision, string key, string path, CancellationToken cancellationToken)
    {
        if (OptimisedFiles.ModelOf(revision.Package) is not { } model)
        {
            return;
        }

        var file = await blobs.AdoptAsync(revision.Tenant, path, Path.ChangeExtension(model.Path, ".ort"), cancellationToken);
        await derived.SaveAsync(revision.Tenant, model.Hash, key, file, cancellationToken);
        Seen(key);
        routed.Remember(revision.Tenant, model.Hash, key, file);
    }
}
