using Dormouse.Core.Endpoints;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Postgres;

/// <summary>A server of its own for each test, which is killed and stands still.</summary>
public sealed class PostgresAwayTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private PrivatePostgres? _server;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private PrivatePostgres Server => _server!;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(PrivatePostgres.BinFolder is null, "PostgreSQL is not installed (./test installs it): the tests of that store were not run.");
        _server = await PrivatePostgres.StartAsync();
        UseAnswerLimit(30);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task What_was_written_is_there_after_the_database_was_killed_and_the_store_goes_on_by_itself()
    {
        await using var storage = await _folder.OpenAsync();
        await storage.Catalogue.AddRevisionAsync(Samples.Revision(), Samples.Endpoint, Samples.Noon, Cancellation);

        await Server.KillAsync();

        await Assert.ThrowsAsync<StoreUnavailableException>(() => storage.Catalogue.SetPublicAsync(Samples.Endpoint, true, Cancellation));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation));

        await Server.RestartAsync();

        Assert.False((await storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation))!.IsPublic);
        Assert.True((await storage.Catalogue.SetPublicAsync(Samples.Endpoint, true, Cancellation))!.IsPublic);
    }

    [Fact]
    public async Task Idle_connections_that_a_restart_broke_are_made_anew_without_a_fault()
    {
        await using var storage = await _folder.OpenAsync();
        await storage.Catalogue.AddRevisionAsync(Samples.Revision(), Samples.Endpoint, Samples.Noon, Cancellation);
        await storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation);

        await Server.KillAsync();
        await Server.RestartAsync();

        Assert.NotNull(await storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation));
        Assert.NotNull(await storage.Catalogue.SetPublicAsync(Samples.Endpoint, true, Cancellation));
    }

    [Fact]
    public async Task A_database_that_stands_still_is_given_up_on_and_found_again()
    {
        // What stands still is waited for as long as this; a busy machine answers sooner.
        UseAnswerLimit(5);
        await using var storage = await _folder.OpenAsync();
        await storage.Catalogue.AddRevisionAsync(Samples.Revision(), Samples.Endpoint, Samples.Noon, Cancellation);

        await Server.PauseAsync();
        var changes = Enumerable.Range(0, 20).Select(_ => storage.Catalogue.SetPublicAsync(Samples.Endpoint, true, Cancellation)).ToList();
        await Assert.ThrowsAsync<StoreUnavailableException>(() => Task.WhenAll(changes));
        await Task.WhenAll(changes.Select(c => Assert.ThrowsAsync<StoreUnavailableException>(() => c)));
        await Server.ResumeAsync();

        Assert.True((await storage.Catalogue.SetPublicAsync(Samples.Endpoint, true, Cancellation))!.IsPublic);
        Assert.Empty(await storage.Ledger.CheckAsync(null, Cancellation));
    }

    [Fact]
    public async Task Receipts_stay_in_the_journal_while_the_database_is_away_and_each_is_counted_once()
    {
        await using var storage = await _folder.OpenAsync();
        await Server.KillAsync();
        var openings = Enumerable.Range(1, 50).Select(i => Samples.Opening(i)).ToList();
        openings.ForEach(o => storage.Journal.Close(Samples.Receipt(storage.ServerId, storage.Journal.TryOpen(o), o)));
        var flushed = storage.Journal.FlushAsync(Cancellation);
        while (_folder.Errors.IsEmpty)
        {
            Cancellation.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        Assert.IsType<StoreUnavailableException>(_folder.Errors.First());
        await Server.RestartAsync();
        while (!flushed.IsCompleted)
        {
            Cancellation.ThrowIfCancellationRequested();
            _folder.Time.Advance(TimeSpan.FromSeconds(5));
            await Task.Yield();
        }

        await flushed;
        Assert.Equal(50, (await storage.Ledger.TotalsAsync(TenantId.Default, null, Samples.Noon, Samples.Noon.AddYears(1), Cancellation)).Sum(t => t.Invocations));
        Assert.Empty(await storage.Ledger.CheckAsync(null, Cancellation));
        Assert.NotNull(await storage.Ledger.FindAsync(TenantId.Default, openings[49].Invocation, Cancellation));
    }

    /// <summary>For the stores that are opened from now on.</summary>
    private void UseAnswerLimit(int seconds) =>
        _folder.Options = _folder.Options with { Postgres = PostgresAddress.TryParse($"{Server.Url()}&Command%20Timeout={seconds}&connect_timeout={seconds}") };
}
