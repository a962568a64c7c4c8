using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Dormouse.Core.Packages;

namespace Dormouse.Buckets;

/// <summary>Files in a bucket, as <c>prefix/ab/ab12…</c>. An object appears when its last piece is there, so what is found is whole.</summary>
public sealed class S3Bucket(S3BucketOptions options) : IBlobBucket, IDisposable
{
    /// <summary>Most pieces that S3 puts together.</summary>
    private const int PartsMax = 10_000;

    private readonly Lazy<AmazonS3Client> _client = new(() => S3Client.Of(options));

    public string Name => options.Prefix.Length == 0 ? $"s3://{options.Bucket}" : $"s3://{options.Bucket}/{options.Prefix}";

    public void Dispose()
    {
        if (_client.IsValueCreated)
        {
            _client.Value.Dispose();
        }
    }

    public Task<BucketFile?> FindAsync(BlobHash hash, CancellationToken cancellationToken) => AskAsync(async client =>
    {
        try
        {
            var found = await client.GetObjectMetadataAsync(new GetObjectMetadataRequest { BucketName = options.Bucket, Key = Key(hash) }, cancellationToken);
            return new BucketFile(hash, found.ContentLength, found.LastModified ?? DateTime.UnixEpoch);
        }
        catch (AmazonS3Exception e) when (IsMissing(e))
        {
            // The answer has no body that could say whether it is the bucket that is missing: who writes finds out.
            return null;
        }
    });

    public Task PutAsync(BlobHash hash, string path, CancellationToken cancellationToken) => AskAsync(async client =>
    {
        var size = new FileInfo(path).Length;
        if (size <= options.PartBytes)
        {
            await client.PutObjectAsync(
                new PutObjectRequest { BucketName = options.Bucket, Key = Key(hash), FilePath = path, ContentType = "application/octet-stream", UseChunkEncoding = options.UsesChunkEncoding }, cancellationToken);
        }
        else
        {
            await PutPartsAsync(client, Key(hash), path, size, cancellationToken);
        }

        return true;
    });

    public Task<bool> GetAsync(BlobHash hash, Stream target, CancellationToken cancellationToken) => AskAsync(async client =>
    {
        try
        {
            using var found = await client.GetObjectAsync(new GetObjectRequest { BucketName = options.Bucket, Key = Key(hash) }, cancellationToken);
            await found.ResponseStream.CopyToAsync(target, cancellationToken);
            return true;
        }
        catch (AmazonS3Exception e) when (e.ErrorCode == "NoSuchKey")
        {
            return false;
        }
    });

    public Task RemoveAsync(BlobHash hash, CancellationToken cancellationToken) => AskAsync(async client =>
        await client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = options.Bucket, Key = Key(hash) }, cancellationToken));

    public async IAsyncEnumerable<BucketFile> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = options.Bucket, Prefix = Start };
        ListObjectsV2Response page;
        do
        {
            page = await AskAsync(client => client.ListObjectsV2Async(request, cancellationToken));
            foreach (var found in page.S3Objects ?? [])
            {
                var name = found.Key[(found.Key.LastIndexOf('/') + 1)..];
                if (BlobHash.IsValid(name) && found.Key == Key(new BlobHash(name)))
                {
                    yield return new BucketFile(new BlobHash(name), found.Size ?? 0, found.LastModified ?? DateTime.UnixEpoch);
                }
            }

            request.ContinuationToken = page.NextContinuationToken;
        }
        while (page.IsTruncated == true);
    }

    public Task ProbeAsync(CancellationToken cancellationToken) => AskAsync(async client =>
    {
        var content = Encoding.UTF8.GetBytes("Dormouse was here and can write.");
        var key = Start + "probe";
        await client.PutObjectAsync(
            new PutObjectRequest { BucketName = options.Bucket, Key = key, InputStream = new MemoryStream(content), UseChunkEncoding = options.UsesChunkEncoding }, cancellationToken);
        using var found = await client.GetObjectAsync(new GetObjectRequest { BucketName = options.Bucket, Key = key }, cancellationToken);
        using var read = new MemoryStream();
        await found.ResponseStream.CopyToAsync(read, cancellationToken);
        if (!read.ToArray().AsSpan().SequenceEqual(content))
        {
            throw new BlobsAwayException($"{Name} gives back something else than was written to it. Set s3.use_chunk_encoding to false: its server stores the signatures of chunks inside of files.");
        }

        await client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = options.Bucket, Key = key }, cancellationToken);
        return true;
    });

    private string Start => options.Prefix.Length == 0 ? "" : options.Prefix + "/";

    private string Key(BlobHash hash) => $"{Start}{hash.Value[..2]}/{hash.Value}";

    /// <summary>What was sent of a file whose sending failed is given up, so that nobody pays for it.</summary>
    private async Task PutPartsAsync(AmazonS3Client client, string key, string path, long size, CancellationToken cancellationToken)
    {
        var partBytes = Math.Max(options.PartBytes, (size + PartsMax - 1) / PartsMax);
        var begun = await client.InitiateMultipartUploadAsync(
            new InitiateMultipartUploadRequest { BucketName = options.Bucket, Key = key, ContentType = "application/octet-stream" }, cancellationToken);
        try
        {
            var tags = new List<PartETag>();
            for (var offset = 0L; offset < size; offset += partBytes)
            {
                var part = await client.UploadPartAsync(
                    new UploadPartRequest
                    {
                        BucketName = options.Bucket,
                        Key = key,
                        UploadId = begun.UploadId,
                        PartNumber = tags.Count + 1,
                        FilePath = path,
                        FilePosition = offset,
                        PartSize = Math.Min(partBytes, size - offset),
                        UseChunkEncoding = options.UsesChunkEncoding,
                    },
                    cancellationToken);
                tags.Add(new PartETag(tags.Count + 1, part.ETag));
            }

            await client.CompleteMultipartUploadAsync(
                new CompleteMultipartUploadRequest { BucketName = options.Bucket, Key = key, UploadId = begun.UploadId, PartETags = tags }, cancellationToken);
        }
        catch
        {
            try
            {
                await client.AbortMultipartUploadAsync(new AbortMultipartUploadRequest { BucketName = options.Bucket, Key = key, UploadId = begun.UploadId }, CancellationToken.None);
            }
            catch (Exception e) when (e is AmazonClientException or AmazonServiceException or HttpRequestException or IOException)
            {
                // The bucket's own rule for unfinished uploads removes it; the first fault is the one to tell.
            }

            throw;
        }
    }

    private async Task<T> AskAsync<T>(Func<AmazonS3Client, Task<T>> ask)
    {
        try
        {
            return await ask(_client.Value);
        }
        catch (AmazonS3Exception e)
        {
            throw new BlobsAwayException($"{Name} cannot be used: {Explain(e)}", e);
        }
        catch (Exception e) when (e is AmazonClientException or HttpRequestException or WebException || (e is IOException and not (BlobsAwayException or FileNotFoundException)) || (e is OperationCanceledException { InnerException: TimeoutException }))
        {
            throw new BlobsAwayException(
                e.Message.Contains("credentials", StringComparison.OrdinalIgnoreCase) || e.Message.Contains("profile", StringComparison.OrdinalIgnoreCase)
                    ? $"{Name} cannot be used: no credentials were found ({e.Message.TrimEnd('.')}). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or s3.profile, or s3.access_key and s3.secret_key."
                    : $"{Name} does not answer{(options.Endpoint is { } at ? $" at {at}" : "")}: {Innermost(e)}",
                e);
        }
    }

    private string Explain(AmazonS3Exception e) => e switch
    {
        { ErrorCode: "NoSuchBucket" } => $"there is no bucket '{options.Bucket}'{(options.Endpoint is { } at ? $" at {at}" : "")}. Make it, or mend the setting 'blobs'.",
        { ErrorCode: "InvalidAccessKeyId" } => "the access key is not known there. Mend the credentials (AWS_ACCESS_KEY_ID, s3.profile or s3.access_key).",
        { ErrorCode: "SignatureDoesNotMatch" } => "the secret key does not fit the access key. Mend the credentials (AWS_SECRET_ACCESS_KEY, s3.profile or s3.secret_key).",
        { StatusCode: HttpStatusCode.Forbidden } => $"access is denied ({e.ErrorCode}). The key needs to read, write, list and delete objects of the bucket.",
        { StatusCode: HttpStatusCode.MovedPermanently or HttpStatusCode.TemporaryRedirect } => $"the bucket is in another region ({e.ErrorCode}). Set s3.region.",
        _ => $"{e.Message.TrimEnd('.')} ({e.ErrorCode}, {(int)e.StatusCode}).",
    };

    private static bool IsMissing(AmazonS3Exception e) => e.StatusCode == HttpStatusCode.NotFound && e.ErrorCode != "NoSuchBucket";

    private static string Innermost(Exception e)
    {
        while (e.InnerException is { } inner)
        {
            e = inner;
        }

        return e.Message;
    }
}
