namespace Dormouse.Core.Packages;

/// <summary>
/// A place that several servers share, where complete files lie under their hashes: a folder or an S3-compatible bucket. A file that is listed or found is whole. Each server keeps copies
/// of what it needs.
/// </summary>
public interface IBlobBucket
{
    /// <summary>For people, without secrets: <c>s3://bucket/prefix</c>.</summary>
    string Name { get; }

    /// <summary>Null when it is not there.</summary>
    /// <exception cref="BlobsAwayException">It cannot be asked.</exception>
    Task<BucketFile?> FindAsync(BlobHash hash, CancellationToken cancellationToken);

    /// <summary>Copies a local file there, in pieces when it is long; it appears whole or not at all. One that is there is replaced, which makes it young.</summary>
    /// <exception cref="BlobsAwayException">It cannot be written.</exception>
    Task PutAsync(BlobHash hash, string path, CancellationToken cancellationToken);

    /// <summary>Writes the content; false when it is not there. Whoever asked compares the hash.</summary>
    /// <exception cref="BlobsAwayException">It cannot be read to its end.</exception>
    Task<bool> GetAsync(BlobHash hash, Stream target, CancellationToken cancellationToken);

    /// <summary>Nothing happens when it is not there.</summary>
    /// <exception cref="BlobsAwayException">It cannot be removed.</exception>
    Task RemoveAsync(BlobHash hash, CancellationToken cancellationToken);

    /// <summary>All files, in any order; what has another name is passed over.</summary>
    /// <exception cref="BlobsAwayException">It cannot be listed.</exception>
    IAsyncEnumerable<BucketFile> ListAsync(CancellationToken cancellationToken);

    /// <summary>Writes a small file, reads it and removes it.</summary>
    /// <exception cref="BlobsAwayException">Something of it fails; the message says what to set right.</exception>
    Task ProbeAsync(CancellationToken cancellationToken);
}

/// <param name="WrittenAt">By the clock of the place.</param>
public sealed record BucketFile(BlobHash Hash, long SizeBytes, DateTimeOffset WrittenAt);

/// <summary>The place that servers share for files does not answer, or refuses. It may succeed later, or when its operator has set it right.</summary>
public sealed class BlobsAwayException : IOException
{
    public BlobsAwayException()
        : this("The place for files does not answer.")
    {
    }

    public BlobsAwayException(string message)
        : base(message)
    {
    }

    public BlobsAwayException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
