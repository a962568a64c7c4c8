using System.Collections.Concurrent;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;

namespace Dormouse.Server.Dispatch;

/// <summary>
/// Finds a model's optimised file by engine key. What was found once is kept, and looked up beforehand when a revision enters routing or is
/// about to start, so the start itself reads no database.
/// </summary>
internal sealed class OptimisedFiles(IDerivedFiles derived, IBlobStore blobs)
{
    /// <summary>Entries kept; when full the whole cache is dropped, which costs look-ups and nothing else.</summary>
    public const int CacheMax = 16_384;

    private readonly ConcurrentDictionary<(TenantId Tenant, BlobHash Model, string Key), BlobHash> _known = new();
    private readonly ConcurrentDictionary<string, bool> _keys = new(StringComparer.Ordinal);

    /// <summary>Local path for an engine key, or null. Reads the database only for an engine key never seen before (once per key and model).</summary>
    public string? PathFor(TenantId tenant, PackageFile model, string key)
    {
        _keys.TryAdd(key, true);
        if (_known.TryGetValue((tenant, model.Hash, key), out var file))
        {
            return blobs.Materialise(file);
        }

        // The driver asks on a thread of its own and needs the answer now; the read is one indexed row.
        var found = derived.FindAsync(tenant, model.Hash, key, CancellationToken.None).GetAwaiter().GetResult();
        return found is null ? null : blobs.Materialise(Remember(tenant, model.Hash, key, found));
    }

    /// <summary>Looks the file up for every engine key seen so far.</summary>
    public async Task PrefetchAsync(Revision revision, CancellationToken cancellationToken)
    {
        if (ModelFiles.Of(revision)?.Model is not { } model)
        {
            return;
        }

        var tenant = revision.Tenant;
        foreach (var key in _keys.Keys)
        {
            if (!_known.TryGetValue((tenant, model.Hash, key), out var hash))
            {
                if (await derived.FindAsync(tenant, model.Hash, key, cancellationToken) is not { } found)
                {
                    continue;
                }

                hash = Remember(tenant, model.Hash, key, found);
            }

            if (blobs.Materialise(hash) is null)
            {
                await FetchAsync(hash, cancellationToken);
            }
        }
    }

    /// <summary>From where servers share files. Without it the model is loaded as it was sent.</summary>
    private async Task FetchAsync(BlobHash hash, CancellationToken cancellationToken)
    {
        try
        {
            await blobs.FetchAsync(hash, cancellationToken);
        }
        catch (IOException)
        {
            // That place is away, or the disk is full: what matters of it shows where the model itself is fetched.
        }
    }

    /// <summary>An optimised file was made and saved.</summary>
    public BlobHash Remember(TenantId tenant, BlobHash model, string key, PackageFile file)
    {
        _keys.TryAdd(key, true);
        if (_known.Count >= CacheMax)
        {
            _known.Clear();
        }

        _known[(tenant, model, key)] = file.Hash;
        return file.Hash;
    }
}
