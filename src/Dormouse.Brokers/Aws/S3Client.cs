using System.Net;
using Amazon.S3;
using Amazon.S3.Model;
using Dormouse.Buckets;

namespace Dormouse.Brokers.Aws;

/// <summary>Makes clients of S3-compatible services. An address that is named is asked by paths, as all but AWS's own take them.</summary>
internal static class S3Client
{
    private static readonly TimeSpan RequestTime = TimeSpan.FromSeconds(60);

    public static AmazonS3Client Of(AwsAccess access) => new S3Server
    {
        Endpoint = access.Url is { } url ? new Uri(url) : null,
        Region = access.Region,
        UsesPathStyle = access.Url is not null,
        Credentials = access.Credentials,
        Connections = new AwsHttp(),
        AnswerTime = RequestTime,
        Retries = 1,
    }.Client();

    /// <summary>The object's bytes, of one that is too large one byte more than <paramref name="bytesMax"/>; null = it is gone, or was written anew since.</summary>
    public static async Task<(ReadOnlyMemory<byte> Bytes, string? Type)?> ReadAsync(this IAmazonS3 client, string bucket, string key, string? etag, int bytesMax, CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await client.GetObjectAsync(new GetObjectRequest { BucketName = bucket, Key = key, EtagToMatch = etag is null ? null : $"\"{etag}\"" }, cancellationToken);
            var bytes = new byte[(int)Math.Min(answer.ContentLength, bytesMax + 1L)];
            var read = await answer.ResponseStream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: true, cancellationToken);
            return (bytes.AsMemory(0, read), answer.Headers.ContentType);
        }
        catch (AmazonS3Exception e) when (e.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.PreconditionFailed)
        {
            return null;
        }
    }
}
