using System.Collections.Immutable;

namespace Dormouse.Core.Batches;

/// <summary>An object of a bucket.</summary>
/// <param name="ETag">Changes when it is written anew.</param>
public sealed record BucketObject(string Key, long Bytes, string ETag);

/// <summary>Objects of buckets that the operator opened to batch jobs.</summary>
public interface IBucketObjects
{
    /// <summary>Objects whose keys begin with a prefix and come behind a key, in the order of their keys' UTF-8 bytes.</summary>
    /// <param name="after">Null = from the first.</param>
    /// <param name="max">1 to 1,000.</param>
    /// <exception cref="IOException">The bucket cannot be read, and why.</exception>
    Task<ImmutableArray<BucketObject>> ListAsync(string bucket, string prefix, string? after, int max, CancellationToken cancellationToken);

    /// <summary>The object's state; null = there is none.</summary>
    /// <exception cref="IOException">The bucket cannot be read, and why.</exception>
    Task<BucketObject?> FindAsync(string bucket, string key, CancellationToken cancellationToken);

    /// <summary>Its bytes from an offset before its end on; null = it is gone, or was written anew since.</summary>
    /// <exception cref="IOException">The bucket cannot be read, and why.</exception>
    Task<Stream?> OpenAsync(string bucket, BucketObject known, long from, CancellationToken cancellationToken);
}
