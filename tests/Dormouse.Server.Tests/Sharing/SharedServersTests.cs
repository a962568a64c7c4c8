using System.Collections.Immutable;
using System.Net;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Queues;
using Dormouse.Core.Rollouts;
using Dormouse.Server.Control;
using Dormouse.Server.Routing;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Server.Triggers;
using Dormouse.Storage.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Dormouse.Server.Tests.Sharing;

/// <summary>Two servers on one PostgreSQL: what one does is seen by the other without a restart.</summary>
public sealed class SharedServersTests : IAsyncLifetime
{
    private PrivatePostgres? _postgres;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(PrivatePostgres.BinFolder is null, "PostgreSQL is not installed (./test installs it): the tests of servers that share one were not run.");
        _postgres = await PrivatePostgres.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_postgres is not null)
        {
            await _postgres.DisposeAsync();
        }
    }

    [Fact]
    public async Task What_is_deployed_changed_and_deleted_on_one_server_is_so_on_the_other()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();

        (await first.DeployAsync("digits", "good")).EnsureSuccessStatusCode();
        await SeesAsync(second, "digits", r => r is { Revisions: [{ Id.Number: 1 }] }, "the first revision has the traffic");
        (await first.DeployAsync("digits", "better")).EnsureSuccessStatusCode();
        await SeesAsync(second, "digits", r => r is { Revisions: [{ Id.Number: 2 }] }, "the second revision has the traffic");

        var endpoint = Route(first, "digits")!.Endpoint;
        var changes = second.Services.GetRequiredService<EndpointChanges>();
        await changes.SetTrafficAsync(endpoint.Id, [new TrafficShare(1, 90), new TrafficShare(2, 10)], Cancellation);
        await SeesAsync(first, "digits", r => r is { Revisions.Length: 2, Endpoint.Traffic: [{ Weight: 90 }, { Weight: 10 }] }, "both revisions have traffic");
        await changes.SetTagAsync(endpoint.Id, "beta", 2, Cancellation);
        await SeesAsync(first, "digits", r => r is not null && TagRules.Find(r.Endpoint, "beta") == 2, "the tag is there");
        await changes.SetPublicAsync(endpoint.Id, true, Cancellation);
        await SeesAsync(first, "digits", r => r is { Endpoint.IsPublic: true }, "it is public");
        Assert.True(first.Services.GetRequiredService<RoutingTable>().HasPublic(TenantId.Default));
        await changes.SetUnloadedAsync(endpoint.Id, true, Cancellation);
        await SeesAsync(first, "digits", r => r is { Endpoint.IsUnloaded: true }, "it is unloaded");

        await changes.DeleteAsync(endpoint, Cancellation);
        await SeesAsync(first, "digits", r => r is null, "it is deleted");
        Assert.False(first.Services.GetRequiredService<RoutingTable>().HasPublic(TenantId.Default));

        // The same name, another endpoint.
        (await second.DeployAsync("digits", "good")).EnsureSuccessStatusCode();
        await SeesAsync(first, "digits", r => r is { Revisions: [{ Id.Number: 1 }] } && r.Endpoint.Id != endpoint.Id, "the new endpoint is there");
    }

    [Fact]
    public async Task A_key_that_one_server_revoked_is_refused_by_the_other_that_had_seen_it()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        var key = await first.KeyAsync("admin");
        using var client = second.Client(key.Key);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/api/v1/endpoints", Cancellation)).StatusCode);

        (await first.Admin.DeleteAsync("/api/v1/keys/" + key.Id, Cancellation)).EnsureSuccessStatusCode();

        await UntilAsync(async () => (await client.GetAsync("/api/v1/endpoints", Cancellation)).StatusCode == HttpStatusCode.Unauthorized, "the key is refused");
    }

    [Fact]
    public async Task Changes_are_seen_when_the_connections_that_would_tell_of_them_were_broken()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        (await first.DeployAsync("digits", "good")).EnsureSuccessStatusCode();
        await SeesAsync(second, "digits", r => r is not null, "it is there");

        Assert.NotEqual(0, await BreakListenersAsync());
        await first.Services.GetRequiredService<EndpointChanges>().SetPublicAsync(Route(first, "digits")!.Endpoint.Id, true, Cancellation);

        await SeesAsync(second, "digits", r => r is { Endpoint.IsPublic: true }, "it is public");
    }

    [Fact]
    public async Task A_server_that_has_missed_more_than_is_remembered_reads_everything_again()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        (await first.DeployAsync("kept", "good")).EnsureSuccessStatusCode();
        (await first.DeployAsync("gone", "good")).EnsureSuccessStatusCode();
        await SeesAsync(second, "gone", r => r is { Revisions.Length: 1 }, "both are there");

        // What happened is not told, and what would have told it is forgotten, as by a very busy day.
        await ExecuteAsync(
            "BEGIN; DELETE FROM endpoints WHERE name = 'gone'; UPDATE endpoints SET is_public = 1 WHERE name = 'kept'; UPDATE dormouse_changes SET number = number + 20000; COMMIT; NOTIFY dormouse_changes");

        await SeesAsync(second, "gone", r => r is null, "it is gone");
        await SeesAsync(second, "kept", r => r is { Endpoint.IsPublic: true }, "it is public");
        await SeesAsync(first, "gone", r => r is null, "it is gone on the other as well");
    }

    [Fact]
    public async Task Triggers_run_on_one_server_and_on_the_other_when_that_one_ends()
    {
        var first = await StartAsync();
        await UntilAsync(() => Task.FromResult(first.Storage.Sharing.IsOwner), "the first is the owner");
        await using var second = await StartAsync();
        (await first.DeployAsync("report", "good")).EnsureSuccessStatusCode();
        await SeesAsync(second, "report", r => r is { Revisions.Length: 1 }, "it is there");
        var now = DateTimeOffset.UtcNow;

        // Made by the one that does not run it.
        await second.Storage.Triggers.AddAsync(Minutely(now.AddMinutes(-4)), Cancellation);
        await UntilAsync(async () => (await TimesAsync(second)).Count >= 4, "what was missed is queued");
        Assert.False(second.Storage.Sharing.IsOwner);
        await first.DisposeAsync();
        await UntilAsync(() => Task.FromResult(second.Storage.Sharing.IsOwner), "the second is the owner");

        // Times that passed while nobody ran it; those that were fired are not fired again.
        var changed = await second.Storage.Triggers.ChangeAsync(TenantId.Default, "minutely", t => t with { Mark = CronKind.Text(now.AddMinutes(-8)) }, Cancellation);
        await second.Services.GetRequiredService<TriggerLoop>().ChangedAsync(changed!);
        await UntilAsync(async () => (await TimesAsync(second)).Count >= 8, "what was missed is queued");
        var times = await TimesAsync(second);
        Assert.Equal(times.Count, times.Distinct().Count());
    }

    private static Trigger Minutely(DateTimeOffset mark) => new()
    {
        Id = new TriggerId(Guid.CreateVersion7()),
        Tenant = TenantId.Default,
        Name = "minutely",
        Kind = CronKind.KindName,
        Endpoint = "report",
        Source = ImmutableSortedDictionary<string, string>.Empty.Add("schedule", "* * * * *").Add("missed", "all"),
        Mark = CronKind.Text(mark),
        CreatedAt = mark,
    };

    /// <summary>Times of the schedule that were queued.</summary>
    private static async Task<List<string>> TimesAsync(ControlServer server) =>
    [
        .. (await server.Storage.Queue.ListAsync(new QueueFilter(TenantId.Default, Route(server, "report")!.Endpoint.Id, null, null, 100), Cancellation))
            .Select(l => l.Item.Request.Headers.Single(h => h.Key.Equals("ce-id", StringComparison.OrdinalIgnoreCase)).Value),
    ];

    private static EndpointRoute? Route(ControlServer server, string name) => server.Services.GetRequiredService<RoutingTable>().Find(TenantId.Default, name);

    private static Task SeesAsync(ControlServer server, string name, Func<EndpointRoute?, bool> holds, string what) => Conditions.UntilAsync(() => holds(Route(server, name)), what);

    private static async Task UntilAsync(Func<Task<bool>> holds, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Conditions.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await holds())
        {
            Assert.False(limit.IsCancellationRequested, $"It did not come true within {Conditions.Patience.TotalSeconds} s: {what}.");
            await tick.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    private Task<ControlServer> StartAsync() => ControlServer.StartAsync(postgres: _postgres!.Url("shared"));

    /// <summary>How many were broken.</summary>
    private async Task<long> BreakListenersAsync()
    {
        await using var connection = await ConnectAsync();
        await using var command = new NpgsqlCommand(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'dormouse' AND (query LIKE '%dormouse_owner%' OR query LIKE '%dormouse_changes WHERE number > %' OR query LIKE 'LISTEN%')", connection);
        return (long)(await command.ExecuteScalarAsync(Cancellation))!;
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = await ConnectAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    private async Task<NpgsqlConnection> ConnectAsync()
    {
        var url = new Uri(_postgres!.Url("shared").Replace("@/", "@host/", StringComparison.Ordinal));
        var host = Uri.UnescapeDataString(url.Query.Split('?', '&').Single(p => p.StartsWith("host=", StringComparison.Ordinal))[5..]);
        var connection = new NpgsqlConnection($"Host={host};Username=dormouse;Database=postgres;Search Path=shared;Pooling=false");
        await connection.OpenAsync(Cancellation);
        return connection;
    }
}
