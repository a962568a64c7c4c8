using System.Collections.Immutable;

namespace Dormouse.Core.Batches;

/// <summary>A place in a bucket: an object, or all objects of a prefix.</summary>
/// <param name="Bucket">Its name, as S3 has them.</param>
/// <param name="Key">Of an object, or what the keys begin with; empty = all of the bucket.</param>
public readonly record struct BucketPlace(string Bucket, string Key)
{
    public const string Scheme = "s3://";

    private const int BucketLengthMin = 3;

    private const int BucketLengthMax = 63;

    private const int KeyLengthMax = 1_024;

    public static bool IsMeant(string text) => text.StartsWith(Scheme, StringComparison.Ordinal);

    /// <summary>Null when it is not of the form <c>s3://bucket/key</c>.</summary>
    public static BucketPlace? Parse(string text)
    {
        var rest = IsMeant(text) ? text[Scheme.Length..] : "";
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var (bucket, key) = slash < 0 ? (rest, "") : (rest[..slash], rest[(slash + 1)..]);
        return bucket.Length is >= BucketLengthMin and <= BucketLengthMax && key.Length <= KeyLengthMax && bucket.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.' or '_')
            ? new BucketPlace(bucket, key)
            : null;
    }

    /// <summary>True when it is one of these places or lies below one, as if slashes divided folders: <c>s3://b/scans</c> has <c>s3://b/scans/a</c> below it and not <c>s3://b/scans2</c>.</summary>
    public bool IsWithin(ImmutableArray<BucketPlace> places)
    {
        foreach (var place in places)
        {
            var folder = place.Key.TrimEnd('/');
            if (place.Bucket == Bucket && (folder.Length == 0 || Key == folder || Key.StartsWith(folder + "/", StringComparison.Ordinal)))
            {
                return true;
            }
        }

        return false;
    }

    public override string ToString() => Scheme + Bucket + "/" + Key;
}
