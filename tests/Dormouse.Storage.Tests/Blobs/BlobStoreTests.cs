using Dormouse.Buckets;
using Dormouse.Core.Packages;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Blobs;

/// <summary>Files in the data folder alone.</summary>
public sealed class FileBlobStoreTests : BlobSuite;

/// <summary>Files in a folder that servers share, with copies in the data folder.</summary>
public sealed class SharedFolderBlobTests : BlobSuite, IDisposable
{
    private readonly string _shared = Directory.CreateTempSubdirectory("dormouse-shared-").FullName;

    public void Dispose() => Directory.Delete(_shared, recursive: true);

    private protected override Task<Func<IBlobBucket>?> BucketAsync() => Task.FromResult<Func<IBlobBucket>?>(() => SharedFolder.Open(_shared));
}

/// <summary>Files in a bucket, with copies in the data folder.</summary>
public sealed class S3BlobTests(S3Fixture s3) : BlobSuite
{
    private protected override async Task<Func<IBlobBucket>?> BucketAsync()
    {
        var options = await s3.NewOptionsAsync();
        return () => new S3Bucket(options);
    }
}
