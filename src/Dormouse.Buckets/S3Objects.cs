using System.Collections.Immutable;
using System.Net;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Dormouse.Core.Batches;

namespace Dormouse.Buckets;

/// <summary>Objects of any bucket of one server, to be read.</summary>
/// <param name="options">How its server is spoken to; the bucket is not looked at.</param>
public sealed class S3Objects(S3BucketOptions options) : IBucketObjects, IDisposable
{
    private readonly Lazy<AmazonS3Client> _client = new(() => S3Client.Of(options));

    public void Dispose()
    {
        if (_client.IsValueCreated)
        {
            _client.Value.Dispose();
        }
    }

    public Task<ImmutableArray<BucketObject>> ListAsync(string bucket, string prefix, string? after, int max, CancellationToken cancellationToken) => AskAsync(bucket, async client =>
    {
        var page = await client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = bucket, Prefix = prefix, StartAfter = after, MaxKeys = max }, cancellationToken);
        return (page.S3Objects ?? []).Select(o => new BucketObject(o.Key, o.Size ?? 0, Plain(o.ETag))).ToImmutableArray();
    });

    public Task<BucketObject?> FindAsync(string bucket, string key, CancellationToken cancellationToken) => AskAsync(bucket, async client =>
    {
        try
        {
            var found = await client.GetObjectMetadataAsync(new GetObjectMetadataRequest { BucketName = bucket, Key = key }, cancellationToken);
            return new BucketObject(key, found.ContentLength, Plain(found.ETag));
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound && e.ErrorCode != "NoSuchBucket")
        {
            return null;
        }
    });

    public Task<Stream?> OpenAsync(string bucket, BucketObject known, long from, CancellationToken cancellationToken) => AskAsync<Stream?>(bucket, async client =>
    {
        var request = new GetObjectRequest { BucketName = bucket, Key = known.Key, EtagToMatch = $"\"{known.ETag}\"", ByteRange = from == 0 ? null : new ByteRange(from, known.Bytes - 1) };
        try
        {
            var answer = await client.GetObjectAsync(request, cancellationToken);
            // Not every server looks at what it is asked to match.
            if (Plain(answer.ETag) == known.ETag)
            {
                return answer.ResponseStream;
            }

            answer.Dispose();
            return null;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.PreconditionFailed || e.ErrorCode == "NoSuchKey")
        {
            return null;
        }
    });

    private static string Plain(string? etag) => etag?.Trim('"') ?? "";

    private static async Task<T> AskAsync<T>(string bucket, Func<AmazonS3Client, Task<T>> ask, AmazonS3Client client)
    {
        try
        {
            return await ask(client);
        }
        catch (AmazonS3Exception e)
        {
            throw new IOException(
                e.ErrorCode == "NoSuchBucket" ? $"there is no bucket '{bucket}'" : $"bucket '{bucket}' cannot be read: {(e.StatusCode == HttpStatusCode.Forbidden ? "access is denied" : e.Message.TrimEnd('.'))} ({e.ErrorCode})", e);
        }
        catch (Exception e) when (e is AmazonClientException or HttpRequestException or WebException || e is OperationCanceledException { InnerException: TimeoutException })
        {
            throw new IOException($"the server of bucket '{bucket}' does not answer, or no credentials were found: {e.Message.TrimEnd('.')}", e);
        }
    }

    private Task<T> AskAsync<T>(string bucket, Func<AmazonS3Client, Task<T>> ask) => AskAsync(bucket, ask, _client.Value);
}
