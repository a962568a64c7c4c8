using Dormouse.Buckets;
using Dormouse.Storage.Tests.Support;

[assembly: AssemblyFixture(typeof(S3Fixture))]

namespace Dormouse.Storage.Tests.Support;

/// <summary>One S3 server for all tests that want one, started by the first; each has a prefix of its own in its bucket.</summary>
public sealed class S3Fixture : IAsyncDisposable
{
    private readonly Lazy<Task<S3Emulator>> _server = new(S3Emulator.StartAsync);
    private int _prefixes;

    public async ValueTask DisposeAsync()
    {
        if (_server.IsValueCreated)
        {
            await (await _server.Value).DisposeAsync();
        }
    }

    /// <summary>Skips the test when the server is not installed.</summary>
    internal async Task<S3BucketOptions> NewOptionsAsync()
    {
        Skip();
        return Options(await _server.Value) with { Prefix = $"test/{Interlocked.Increment(ref _prefixes)}" };
    }

    internal static void Skip() => Assert.SkipWhen(S3Emulator.Program is null, "s3rver is not installed (./test installs it with npm): the tests of buckets were not run.");

    /// <summary>It stores the signatures of chunks, so there must be none.</summary>
    internal static S3BucketOptions Options(S3Emulator server) => new()
    {
        Bucket = S3Emulator.Bucket,
        Endpoint = server.Address,
        UsesPathStyle = true,
        UsesChunkEncoding = false,
        AccessKey = S3Emulator.Key,
        SecretKey = S3Emulator.Key,
        PartBytes = 5 << 20,
    };
}
