using System.Net;
using System.Text;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Logs;
using Dormouse.Server.Tests.Fakes;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Tests.Control;

public sealed class EndpointTests
{
    private static async Task<EndpointList> ListAsync(ControlServer server, string query) =>
        await ControlServer.ReadAsync(await server.Admin.GetAsync("/api/v1/endpoints" + query, Cancellation), ControlJson.Default.EndpointList);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Traffic_is_shared_by_weight_and_rolled_back()
    {
        await using var server = await ThreeRevisionsAsync();

        var shared = await SendAsync(server, HttpMethod.Put, "traffic", """{"traffic":{"r1":10,"r3":90}}""");
        Assert.Equal((10, 90), (shared.Traffic["r1"], shared.Traffic["r3"]));

        var back = await SendAsync(server, HttpMethod.Post, "rollback", null);
        Assert.Equal(100, back.Traffic["r3"]);

        var named = await SendAsync(server, HttpMethod.Post, "rollback", """{"revision":"r2"}""");
        Assert.Equal(100, named.Traffic["r2"]);
        Assert.Equal(100, named.Revisions.Single(r => r.Name == "r2").Weight);
    }

    [Fact]
    public async Task The_list_comes_in_pages_in_order_of_name()
    {
        await using var server = await ControlServer.StartAsync();
        foreach (var name in (string[])["c", "a", "e", "b", "d"])
        {
            (await server.DeployAsync(name, "good", verify: false)).EnsureSuccessStatusCode();
        }

        var first = await ListAsync(server, "?limit=2");
        // What a token points behind may be deleted before it is used.
        (await server.Admin.DeleteAsync("/api/v1/endpoints/b", Cancellation)).EnsureSuccessStatusCode();
        var second = await ListAsync(server, "?limit=2&page_token=" + first.NextPageToken);
        var last = await ListAsync(server, "?limit=2&page_token=" + second.NextPageToken);
        var whole = await ListAsync(server, "?limit=4");
        var all = await ListAsync(server, "");

        Assert.Equal(["a", "b"], first.Endpoints.Select(e => e.Name));
        Assert.Equal(["c", "d"], second.Endpoints.Select(e => e.Name));
        Assert.Equal(["e"], last.Endpoints.Select(e => e.Name));
        Assert.Equal((null, null, null), (last.NextPageToken, whole.NextPageToken, all.NextPageToken));
        Assert.Equal(["a", "c", "d", "e"], all.Endpoints.Select(e => e.Name));
    }

    [Theory]
    [InlineData("limit=0", "1 to 1000")]
    [InlineData("limit=1001", "1 to 1000")]
    [InlineData("page_token=A%2FB", "next_page_token")]
    public async Task A_page_that_cannot_be_is_refused(string query, string allowed)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.Admin.GetAsync("/api/v1/endpoints?" + query, Cancellation);

        Assert.Contains(allowed, (await ControlServer.ProblemAsync(response, ProblemCode.RequestInvalid)).Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"traffic":{"r1":10,"r3":80}}""", "spec_invalid")]
    [InlineData("""{"traffic":{}}""", "spec_invalid")]
    [InlineData("""{"traffic":{"r1":-10,"r2":110}}""", "spec_invalid")]
    [InlineData("""{"traffic":{"latest":100}}""", "spec_invalid")]
    [InlineData("""{"traffic":{"r01":100}}""", "spec_invalid")]
    [InlineData("""{"traffic":{"r9":100}}""", "revision_not_found")]
    [InlineData("""{"traffic":{"r4":100}}""", "spec_invalid")]
    [InlineData("""{"traffic":null}""", "request_invalid")]
    [InlineData("""{}""", "request_invalid")]
    [InlineData("""{"traffic":{"r1":"all"}}""", "request_invalid")]
    public async Task Traffic_that_cannot_be_is_refused_and_changes_nothing(string body, string code)
    {
        await using var server = await ThreeRevisionsAsync();
        using var failed = await server.DeployAsync("digits", "bad fourth");

        using var response = await server.Admin.PutAsync("/api/v1/endpoints/digits/traffic", new StringContent(body), Cancellation);

        await ControlServer.ProblemAsync(response, ProblemCode.All[code]);
        Assert.Equal(100, (await server.EndpointAsync("digits")).Traffic["r3"]);
    }

    [Fact]
    public async Task There_is_nothing_to_roll_back_to_at_first()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        using var response = await server.Admin.PostAsync("/api/v1/endpoints/digits/rollback", null, Cancellation);

        await ControlServer.ProblemAsync(response, ProblemCode.Conflict);
    }

    [Fact]
    public async Task A_public_endpoint_can_be_made_private_again()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good", new RevisionSettings { Public = true })).EnsureSuccessStatusCode();
        using var stranger = server.Client(null);
        Assert.Equal(HttpStatusCode.OK, (await stranger.GetAsync("/v2/models/digits", Cancellation)).StatusCode);

        using var patched = await server.Admin.PatchAsync("/api/v1/endpoints/digits", new StringContent("""{"public":false}"""), Cancellation);

        Assert.False((await ControlServer.ReadAsync(patched, ControlJson.Default.EndpointInfo)).Public);
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync("/v2/models/digits", Cancellation)).StatusCode);
        using var nothing = await server.Admin.PatchAsync("/api/v1/endpoints/digits", new StringContent("{}"), Cancellation);
        await ControlServer.ProblemAsync(nothing, ProblemCode.RequestInvalid);
    }

    [Fact]
    public async Task Instances_are_shown_and_stopped()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good", new RevisionSettings { MinInstances = 2, MaxInstances = 2 })).EnsureSuccessStatusCode();

        var running = await server.StartedAsync("digits", 2);
        using var stopped = await server.Admin.PostAsync("/api/v1/endpoints/digits/stop", null, Cancellation);

        Assert.Equal("ready", running.Status);
        Assert.Equal(2, running.Instances.Length);
        Assert.All(running.Instances, i => Assert.Equal(("r1", "ready", 12_345_678L, 4711), (i.Revision, i.State, i.MemoryBytes, i.ProcessId)));
        Assert.NotEmpty(running.Scaling);
        Assert.Empty((await ControlServer.ReadAsync(stopped, ControlJson.Default.EndpointInfo)).Instances);
    }

    [Fact]
    public async Task A_deleted_name_can_be_used_again_by_another_endpoint()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good", new RevisionSettings { MinInstances = 1, MaxInstances = 1 })).EnsureSuccessStatusCode();
        var first = await server.EndpointAsync("digits");

        using var deleted = await server.Admin.DeleteAsync("/api/v1/endpoints/digits", Cancellation);
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        var second = await server.EndpointAsync("digits");
        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal("r1", second.Revisions.Single().Name);
    }

    [Fact]
    public async Task An_unloaded_endpoint_says_so()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        (await server.Admin.PostAsync("/v2/repository/models/digits/unload", null, Cancellation)).EnsureSuccessStatusCode();
        Assert.Equal("unloaded", (await server.EndpointAsync("digits")).Status);

        (await server.Admin.PostAsync("/v2/repository/models/digits/load", null, Cancellation)).EnsureSuccessStatusCode();
        Assert.Equal("idle", (await server.EndpointAsync("digits")).Status);
    }

    [Fact]
    public async Task A_mistyped_name_gets_a_suggestion()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        using var response = await server.Admin.GetAsync("/api/v1/endpoints/digit", Cancellation);

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.EndpointNotFound);
        Assert.Contains("'digits'", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Endpoints_are_found_again_by_the_next_server_on_the_folder()
    {
        await using var server = await ThreeRevisionsAsync();
        var routing = new Server.Routing.RoutingTable();

        await Server.Hosting.CatalogueLoad.ReadAsync(server.Storage.Catalogue, routing, Cancellation);

        var route = routing.Find(TenantId.Default, "digits");
        Assert.Equal(3, route!.Revisions.Single().Id.Number);
        Assert.Equal("digits", routing.NameOf(route.Endpoint.Id));
    }

    [Fact]
    public async Task Logs_are_json_lines_and_can_be_followed()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good", new RevisionSettings { MinInstances = 1, MaxInstances = 1 })).EnsureSuccessStatusCode();
        var revision = (await server.Storage.Catalogue.RevisionsAsync(new EndpointId(Guid.Parse((await server.EndpointAsync("digits")).Id)), Cancellation)).Single();
        server.Driver.Write(new InstanceId(revision.Id, 1), "hello");

        using var response = await server.Admin.GetAsync(
            "/api/v1/endpoints/digits/logs?follow=true&tail=1", HttpCompletionOption.ResponseHeadersRead, Cancellation);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Cancellation));
        var first = await ReadLineAsync(reader);
        server.Driver.Write(new InstanceId(revision.Id, 1), "again");
        var second = await ReadLineAsync(reader);
        (await server.Admin.DeleteAsync("/api/v1/endpoints/digits", Cancellation)).EnsureSuccessStatusCode();

        Assert.Equal("application/x-ndjson", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal(("r1-1", "hello"), (first.Source, first.Text));
        Assert.Equal("again", second.Text);
        Assert.Null(await reader.ReadLineAsync(Cancellation));
    }

    [Fact]
    public async Task Lines_that_say_which_invocation_wrote_them_are_found_by_it()
    {
        await using var writer = NoFiles();
        var store = new LogStore(writer, InMemory, TimeProvider.System);
        var endpoint = new EndpointId(Guid.NewGuid());
        foreach (var line in (string[])["\u001eid-a\u001efirst", "plain", "\u001eid-b\u001eother", "\u001eid-a\u001esecond", "\u001ebroken"])
        {
            store.Append(endpoint, "r1-1", line);
        }

        var all = await store.ReadAsync(endpoint, 100, follow: false, Cancellation).ToListAsync(Cancellation);
        var own = await store.ReadAsync(endpoint, new LogWish(100, "ID-A"), follow: false, Cancellation).ToListAsync(Cancellation);
        var last = await store.ReadAsync(endpoint, new LogWish(1, "id-a"), follow: false, Cancellation).ToListAsync(Cancellation);

        Assert.Equal([("id-a", "first"), (null, "plain"), ("id-b", "other"), ("id-a", "second"), (null, "\u001ebroken")], all.Select(l => (l.Invocation, l.Text)));
        Assert.Equal(["first", "second"], own.Select(l => l.Text));
        Assert.Equal(["second"], last.Select(l => l.Text));
    }

    [Fact]
    public async Task A_log_keeps_its_last_lines_and_cuts_long_ones()
    {
        await using var writer = NoFiles();
        var store = new LogStore(writer, InMemory, TimeProvider.System);
        var endpoint = new EndpointId(Guid.CreateVersion7());
        for (var i = 0; i < LogStore.LinesMax + 5; i++)
        {
            store.Append(endpoint, "r1-1", $"line {i}");
        }

        store.Append(endpoint, "r1-1", new string('x', LogStore.LineCharactersMax + 1));
        var lines = await store.ReadAsync(endpoint, LogStore.LinesMax + 100, follow: false, Cancellation).ToListAsync(Cancellation);

        Assert.Equal(LogStore.LinesMax, lines.Count);
        Assert.Equal("line 6", lines[0].Text);
        Assert.Equal(LogStore.LineCharactersMax + 1, lines[^1].Text.Length);
    }

    [Theory]
    [InlineData("tail=-1")]
    [InlineData("tail=10001")]
    [InlineData("tail=many")]
    [InlineData("follow=maybe")]
    public async Task A_query_that_makes_no_sense_is_refused(string query)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.Admin.GetAsync("/api/v1/endpoints/digits/logs?" + query, Cancellation);

        await ControlServer.ProblemAsync(response, ProblemCode.RequestInvalid);
    }

    [Fact]
    public async Task Changes_of_one_endpoint_at_once_leave_routing_as_the_catalogue_says()
    {
        await using var server = await ThreeRevisionsAsync();
        var changes = server.Services.GetRequiredService<EndpointChanges>();
        var endpoint = (await server.Storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation))!;

        await Task.WhenAll(Enumerable.Range(0, 60).Select(i => i % 3 == 0
            ? changes.SetPublicAsync(endpoint.Id, i % 2 == 0, Cancellation)
            : changes.SetTrafficAsync(endpoint.Id, [new TrafficShare((i % 3) + 1, 100)], Cancellation)));

        var stored = (await server.Storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation))!;
        var routed = server.Services.GetRequiredService<Server.Routing.RoutingTable>().Find(TenantId.Default, "digits")!;
        Assert.Equal(stored.IsPublic, routed.Endpoint.IsPublic);
        Assert.Equal(stored.Traffic, routed.Endpoint.Traffic);
        Assert.Equal(stored.Traffic.Select(t => t.Revision), routed.Revisions.Select(r => r.Id.Number));
    }

    private static async Task<LogLine> ReadLineAsync(StreamReader reader) =>
        JsonSerializer.Deserialize((await reader.ReadLineAsync(Cancellation))!, ControlJson.Default.LogLine)!;

    private static async Task<ControlServer> ThreeRevisionsAsync()
    {
        var server = await ControlServer.StartAsync();
        foreach (var model in (string[])["good one", "good two", "good three"])
        {
            (await server.DeployAsync("digits", model)).EnsureSuccessStatusCode();
        }

        return server;
    }

    private static async Task<EndpointInfo> SendAsync(ControlServer server, HttpMethod method, string what, string? body)
    {
        using var request = new HttpRequestMessage(method, "/api/v1/endpoints/digits/" + what)
        {
            Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json"),
        };
        return await ControlServer.ReadAsync(await server.Admin.SendAsync(request, Cancellation), ControlJson.Default.EndpointInfo);
    }

    private static Dormouse.Server.Hosting.Settings.LogsSettings InMemory => new() { EndpointBytes = 0, TotalBytes = 1 << 30, Keep = TimeSpan.FromDays(1), LinesPerSecond = 100_000 };

    private static LogWriter NoFiles() => new("/nowhere", InMemory, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<LogWriter>.Instance);
}
