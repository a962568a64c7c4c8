using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Packages;

/// <summary>
/// Content-addressed files. One physical copy serves every tenant; a tenant sees only hashes that it uploaded itself, so nobody can
/// ask whether another tenant has a file.
/// </summary>
public interface IBlobStore
{
    /// <summary>How much of a blob this tenant has sent.</summary>
    Task<BlobStatus> StatusAsync(TenantId tenant, BlobHash hash, CancellationToken cancellationToken);

    /// <summary>
    /// Appends <paramref name="content"/> at <paramref name="offset"/> of a blob of <paramref name="sizeBytes"/>. What arrived stays when the stream breaks
    /// (the next call goes on from there). When the last byte is in, the hash is checked and the blob becomes durable.
    /// </summary>
    Task<BlobAppend> AppendAsync(TenantId tenant, BlobHash hash, long sizeBytes, long offset, Stream content, CancellationToken cancellationToken);

    /// <summary>Takes over a file made by the server itself (an optimised model): moves it in and returns its hash.</summary>
    Task<PackageFile> AdoptAsync(TenantId tenant, string localPath, string name, CancellationToken cancellationToken);

    /// <summary>Local path of a complete blob, read-only; null when it is not here.</summary>
    string? Materialise(BlobHash hash);

    /// <summary>As <see cref="Materialise"/>, fetched first from the place that servers share when it is only there; null when it is nowhere.</summary>
    /// <exception cref="BlobsAwayException">That place does not answer.</exception>
    Task<string?> FetchAsync(BlobHash hash, CancellationToken cancellationToken);

    /// <summary>A folder in which every file of the package has its own path (hard links to the blobs). Made once, then reused.</summary>
    Task<string> MaterialiseAsync(Package package, CancellationToken cancellationToken);

    /// <summary>Tells which packages' folders are in use at any time, so that they stay.</summary>
    void Keep(Func<IEnumerable<Package>> inUse)
    {
    }

    /// <summary>Tries the place that servers share: its name, or null when there is none.</summary>
    /// <exception cref="BlobsAwayException">It cannot be used, and why.</exception>
    Task<string?> ProbeAsync(CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    /// <summary>Removes half-written uploads untouched since <paramref name="olderThan"/> and blobs that no revision, derived file or young upload refers to. Returns bytes freed.</summary>
    Task<long> SweepAsync(DateTimeOffset olderThan, CancellationToken cancellationToken);
}

public readonly record struct BlobStatus(bool IsComplete, long SizeBytes);

/// <summary>Outcome of one append.</summary>
public abstract record BlobAppend
{
    private BlobAppend()
    {
    }

    /// <summary>All bytes are in and the hash fits.</summary>
    public sealed record Complete : BlobAppend;

    /// <summary>Bytes are missing; go on at <paramref name="Offset"/>.</summary>
    public sealed record Partial(long Offset) : BlobAppend;

    /// <summary>The call's offset is not where the stored part ends.</summary>
    public sealed record WrongOffset(long Offset) : BlobAppend;

    /// <summary>All bytes came but their hash differs; what was sent is gone.</summary>
    public sealed record WrongHash(BlobHash Actual) : BlobAppend;

    /// <summary>A file may have at most <paramref name="BytesMax"/> bytes; nothing was read.</summary>
    public sealed record TooLarge(long BytesMax) : BlobAppend;

    /// <summary>The disk (or quota) is full; what arrived stays, <paramref name="Offset"/> bytes.</summary>
    public sealed record NoSpace(long Offset) : BlobAppend;
}

/// <summary>Files derived from a package (an optimised model), found by package and key; losing one costs only time.</summary>
public interface IDerivedFiles
{
    /// <param name="package">The model's own hash.</param>
    /// <param name="key">Engine version, CPU feature set and recipe.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<PackageFile?> FindAsync(TenantId tenant, BlobHash package, string key, CancellationToken cancellationToken);

    /// <summary>There is one of this package, whatever its key.</summary>
    Task<bool> AnyAsync(TenantId tenant, BlobHash package, CancellationToken cancellationToken);

    Task SaveAsync(TenantId tenant, BlobHash package, string key, PackageFile file, CancellationToken cancellationToken);
}
