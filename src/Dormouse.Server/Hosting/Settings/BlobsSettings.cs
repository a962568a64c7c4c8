using System.Runtime.CompilerServices;
using Dormouse.Buckets;
using Dormouse.Core.Batches;
using Dormouse.Core.Packages;
using Dormouse.Storage;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>Where complete files lie for all servers.</summary>
internal sealed record BlobsSettings
{
    public const string Key = "blobs";

    private const string Allowed = "a folder that all servers reach, or s3://BUCKET/PREFIX";

    /// <summary>Null = in the data folder alone, which is the default.</summary>
    public Func<IBlobBucket>? Bucket { get; init; }

    /// <summary>How much the data folder keeps of it. Default 50 GiB, 64 MiB to 64 TiB.</summary>
    public required long CacheBytesMax { get; init; }

    public static BlobsSettings Read(SettingsReader reader, S3Settings s3)
    {
        var cache = reader.SizeBytes("uploads.cache", 50L << 30, 64L << 20, 64L << 40);
        if (reader.Text(Key) is not { Length: > 0 } text)
        {
            if (s3.First is { } alone && reader.Text(BatchesSettings.BucketsKey) is not { Length: > 0 })
            {
                reader.Fault($"{alone} is set, but neither {Key} nor {BatchesSettings.BucketsKey} names a bucket; set {Key}: s3://BUCKET, or leave it out.");
            }

            return new BlobsSettings { CacheBytesMax = cache };
        }

        if (text.StartsWith("s3:", StringComparison.OrdinalIgnoreCase))
        {
            return new BlobsSettings { CacheBytesMax = cache, Bucket = s3.Bucket(reader, text) };
        }

        if (text.Contains("://", StringComparison.Ordinal) || !Path.IsPathRooted(text))
        {
            reader.Fault($"{Key} is '{text}'; allowed is {Allowed}. A folder is named from the root on, such as /srv/dormouse-blobs.");
        }

        return new BlobsSettings { CacheBytesMax = cache, Bucket = () => SharedFolder.Open(text) };
    }
}

/// <summary>How the server of a bucket is spoken to.</summary>
/// <param name="First">A key of the section that is set; null = none is.</param>
internal sealed record S3Settings(
    string? First, Uri? Endpoint, string? Region, bool? PathStyle, bool UsesChunkEncoding, string? AccessKey, string? SecretKey, string? Profile)
{
    private const int BucketCharactersMin = 3;
    private const int BucketCharactersMax = 63;

    public static S3Settings Read(SettingsReader reader)
    {
        string[] keys = ["s3.endpoint", "s3.region", "s3.path_style", "s3.use_chunk_encoding", "s3.access_key", "s3.secret_key", "s3.profile"];
        var settings = new S3Settings(
            keys.FirstOrDefault(k => reader.Text(k) is { Length: > 0 }),
            reader.ParseText<Uri?>(
                "s3.endpoint", null, text => Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" ? uri : null, "an http:// or https:// address, such as http://127.0.0.1:9000"),
            reader.Text("s3.region"),
            reader.Text("s3.path_style") is null ? null : reader.Flag("s3.path_style", false),
            reader.Flag("s3.use_chunk_encoding", true),
            reader.Text("s3.access_key"),
            reader.Text("s3.secret_key"),
            reader.Text("s3.profile"));
        if (settings.AccessKey is null != settings.SecretKey is null)
        {
            reader.Fault("s3.access_key and s3.secret_key go together; one of them is missing.");
        }

        if (settings is { AccessKey: not null, Profile: not null })
        {
            reader.Fault("s3.access_key and s3.profile are both set; leave one of them out.");
        }

        return settings;
    }

    /// <summary>The library for S3 is loaded when the bucket is made, and not before.</summary>
    public Func<IBlobBucket>? Bucket(SettingsReader reader, string text)
    {
        var rest = text.StartsWith("s3://", StringComparison.OrdinalIgnoreCase) ? text[5..] : "";
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var bucket = slash < 0 ? rest : rest[..slash];
        var prefix = slash < 0 ? "" : rest[(slash + 1)..].Trim('/');
        if (bucket.Length is < BucketCharactersMin or > BucketCharactersMax || !bucket.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.' or '_') || prefix.Contains("//", StringComparison.Ordinal))
        {
            reader.Fault($"{BlobsSettings.Key} is '{text}'; allowed is s3://BUCKET/PREFIX, where BUCKET is {BucketCharactersMin} to {BucketCharactersMax} of a-z, 0-9, '-' and '.', and PREFIX may be left out.");
            return null;
        }

        return () => Make(bucket, prefix);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private S3Bucket Make(string bucket, string prefix) => new(Options(bucket, prefix));

    /// <summary>Any bucket of the same server, to be read. The library for S3 is loaded by this.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public IBucketObjects Objects() => new S3Objects(Options("", ""));

    private S3BucketOptions Options(string bucket, string prefix) => new()
    {
        Bucket = bucket,
        Prefix = prefix,
        Endpoint = Endpoint,
        Region = Region,
        UsesPathStyle = PathStyle ?? Endpoint is not null,
        UsesChunkEncoding = UsesChunkEncoding,
        AccessKey = AccessKey,
        SecretKey = SecretKey,
        Profile = Profile,
    };
}
