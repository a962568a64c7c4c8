namespace Dormouse.Buckets;

/// <summary>Where a bucket is and how its server wants to be spoken to.</summary>
public sealed record S3BucketOptions
{
    /// <summary>3 to 63 characters, as S3 has it.</summary>
    public required string Bucket { get; init; }

    /// <summary>Before every name, without slashes at its ends; empty = none.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Address of another server than AWS; null = AWS.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>Region that requests are signed for; null = us-east-1 with another server, else what the environment says.</summary>
    public string? Region { get; init; }

    /// <summary>The bucket is the first part of the path, not of the host's name.</summary>
    public bool UsesPathStyle { get; init; }

    /// <summary>False for servers that would store the signatures of chunks inside of files (s3rver does).</summary>
    public bool UsesChunkEncoding { get; init; } = true;

    /// <summary>Null = from the usual places: <c>AWS_ACCESS_KEY_ID</c> and the like, profiles, the machine's role.</summary>
    public string? AccessKey { get; init; }

    public string? SecretKey { get; init; }

    /// <summary>A profile of <c>~/.aws</c>; null = none is named.</summary>
    public string? Profile { get; init; }

    /// <summary>Size of the pieces that longer files are sent in, bytes; at least 5 MiB. Files of 10,000 pieces and more are sent in larger ones.</summary>
    public long PartBytes { get; init; } = 16 << 20;
}
