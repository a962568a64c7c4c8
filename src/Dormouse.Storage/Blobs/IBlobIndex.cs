using System.Collections.Frozen;
using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;

namespace Dormouse.Storage.Blobs;

/// <summary>What the files' store asks of the database: who sent what, and what is still needed.</summary>
internal interface IBlobIndex
{
    /// <summary>Size of a blob that this tenant has sent in full; null when it has not.</summary>
    Task<long?> FindAsync(TenantId tenant, BlobHash hash, CancellationToken cancellationToken);

    Task AddAsync(TenantId tenant, BlobHash hash, long sizeBytes, CancellationToken cancellationToken);

    /// <summary>Dates an entry anew, so that nobody sweeps its file; false when there is none.</summary>
    Task<bool> RenewAsync(TenantId tenant, BlobHash hash, CancellationToken cancellationToken);

    /// <summary>Forgets who sent a blob, unless something refers to it by now, or it was sent or asked for since <paramref name="olderThan"/> (null = whenever); then false.</summary>
    Task<bool> RemoveUnreferencedAsync(BlobHash hash, DateTimeOffset? olderThan, CancellationToken cancellationToken);

    /// <summary>Hashes that a revision or a derived file refers to.</summary>
    Task<FrozenSet<string>> ReferencedAsync(CancellationToken cancellationToken);

    /// <summary>Forgets files derived before <paramref name="olderThan"/> from what no revision of their tenant holds any more.</summary>
    Task RemoveStaleDerivedAsync(DateTimeOffset olderThan, CancellationToken cancellationToken);

    /// <summary>Names (<see cref="PackageName"/>) of the packages of all revisions, with the hashes of their files.</summary>
    Task<IReadOnlyDictionary<string, ImmutableArray<string>>> PackageFilesAsync(CancellationToken cancellationToken);
}
