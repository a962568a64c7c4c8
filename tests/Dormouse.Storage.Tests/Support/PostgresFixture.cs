using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Support;

[assembly: AssemblyFixture(typeof(PostgresFixture))]

namespace Dormouse.Storage.Tests.Support;

/// <summary>One PostgreSQL server for all tests that want one, started by the first; each test has a schema of its own.</summary>
public sealed class PostgresFixture : IAsyncDisposable
{
    private readonly Lazy<Task<PrivatePostgres>> _server = new(PrivatePostgres.StartAsync);
    private int _schemas;

    /// <summary>Skips the test when PostgreSQL is not installed.</summary>
    public async Task<string> NewUrlAsync()
    {
        Assert.SkipWhen(PrivatePostgres.BinFolder is null, "PostgreSQL is not installed (./test installs it): the tests of that store were not run.");
        return (await _server.Value).Url($"test_{Interlocked.Increment(ref _schemas)}");
    }

    public async ValueTask DisposeAsync()
    {
        if (_server.IsValueCreated)
        {
            await (await _server.Value).DisposeAsync();
        }
    }

    internal async Task<PostgresAddress> NewAddressAsync() => PostgresAddress.TryParse(await NewUrlAsync())!;
}
