using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.EndToEnd.Tests.Storage;

/// <summary>A real server on a real PostgreSQL, which is killed and stands still beneath it.</summary>
public sealed class PostgresServerTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_server_on_PostgreSQL_finds_everything_again_after_it_was_killed()
    {
        await using var postgres = await StartPostgresAsync();
        double[][] answers;
        string id;
        string data;
        await using (var server = await RunningServer.StartAsync(Cancelled, null, Storage(postgres)))
        {
            data = server.Data;
            await Digits.DeployAsync(server, "digits", Cancelled);
            answers = await Digits.AnswersAsync(server, "digits", Cancelled);
            id = await AcceptAsync(server, delay: null);
            var ended = await server.GetAsync($"/api/v1/invocations/{id}?wait=60s", Cancelled);
            Assert.Equal("succeeded", ended["queue"]!["state"]!.GetValue<string>());
            await server.KillAsync(Cancelled);
        }

        Assert.False(File.Exists(Path.Combine(data, "dormouse.db")));
        await using var again = await RunningServer.StartAsync(Cancelled, data, Storage(postgres));

        Assert.Equal(answers, await Digits.AnswersAsync(again, "digits", Cancelled));
        using var result = await again.Http.GetAsync(new Uri($"/api/v1/invocations/{id}/result", UriKind.Relative), Cancelled);
        Assert.Equal(HttpStatusCode.OK, result.StatusCode);
        var doctor = await again.GetAsync("/api/v1/doctor?full=true", Cancelled);
        Assert.StartsWith("PostgreSQL 1", Check(doctor, "storage")["detail"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("ok", Check(doctor, "ledger")["status"]!.GetValue<string>());
        await Waiting.UntilAsync(
            async () => (await again.GetAsync("/api/v1/endpoints/digits/invocations?limit=1000", Cancelled))["invocations"]!.AsArray().Count == (2 * Digits.Kinds) + 1,
            "every invocation has its receipt", Cancelled);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task While_the_database_is_away_nothing_is_accepted_what_is_known_is_served_and_nothing_is_lost(bool isKilled)
    {
        await using var postgres = await StartPostgresAsync();
        // Short waits for a database that stands still, so that the test is short; longer than a busy machine's disk takes.
        await using var server = await RunningServer.StartAsync(Cancelled, null, Storage(postgres, "&Command%20Timeout=8&connect_timeout=8"));
        await Digits.DeployAsync(server, "digits", Cancelled);
        var expected = await Digits.AnswersAsync(server, "digits", Cancelled);
        List<string> accepted = [];
        for (var i = 0; i < 5; i++)
        {
            accepted.Add(await AcceptAsync(server, "2s"));
        }

        await (isKilled ? postgres.KillAsync() : postgres.PauseAsync());
        await RefusesAsync(server, Environment.GetEnvironmentVariable("DORMOUSE_TEST_LONG") == "1" ? TimeSpan.FromMinutes(1) : TimeSpan.Zero);

        using (var tag = new StringContent("""{"revision":"r1"}""", Encoding.UTF8, "application/json"))
        using (var change = await server.Http.PutAsync(new Uri("/api/v1/endpoints/digits/tags/beta", UriKind.Relative), tag, Cancelled))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, change.StatusCode);
            Assert.Equal("store_unavailable", JsonNode.Parse(await change.Content.ReadAsStringAsync(Cancelled))!["code"]!.GetValue<string>());
        }

        Assert.Equal(expected, await Digits.AnswersAsync(server, "digits", Cancelled));
        Assert.Equal("failed", Check(await server.GetAsync("/api/v1/doctor", Cancelled), "storage")["status"]!.GetValue<string>());
        await (isKilled ? postgres.RestartAsync() : postgres.ResumeAsync());

        await Waiting.UntilAsync(
            async () =>
            {
                using var response = await SendAsync(server, null);
                return response.StatusCode == HttpStatusCode.Accepted;
            },
            "invocations are accepted again", Cancelled);
        foreach (var id in accepted)
        {
            var ended = await server.GetAsync($"/api/v1/invocations/{id}?wait=60s", Cancelled);
            Assert.True(ended["queue"]!["state"]!.GetValue<string>() == "succeeded", ended.ToJsonString());
        }

        // Those that were served while it was away have their receipts as well.
        await Waiting.UntilAsync(
            async () => (await server.GetAsync("/api/v1/endpoints/digits/invocations?limit=1000", Cancelled))["invocations"]!.AsArray().Count >= (2 * Digits.Kinds) + 6,
            "every invocation has its receipt", Cancelled);
        Assert.Equal("ok", Check(await server.GetAsync("/api/v1/doctor?full=true", Cancelled), "ledger")["status"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_server_on_SQLite_does_not_load_the_library_for_PostgreSQL()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);

        var maps = await File.ReadAllTextAsync($"/proc/{server.ProcessId}/maps", Cancelled);

        Assert.Contains("Microsoft.Data.Sqlite", maps, StringComparison.Ordinal);
        Assert.DoesNotContain("Npgsql", maps, StringComparison.Ordinal);
    }

    /// <summary>Skips the test when PostgreSQL is not installed.</summary>
    internal static async Task<PrivatePostgres> StartPostgresAsync()
    {
        Assert.SkipWhen(PrivatePostgres.BinFolder is null, "PostgreSQL is not installed (./test installs it): the tests of that store were not run.");
        return await PrivatePostgres.StartAsync();
    }

    internal static Dictionary<string, string> Storage(PrivatePostgres postgres, string settings = "") => new() { ["DORMOUSE_STORAGE"] = postgres.Url("dormouse") + settings };

    private static JsonNode Check(JsonNode doctor, string name) => doctor["checks"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == name)!;

    /// <summary>Once, and again each second for so long: nothing is accepted.</summary>
    private static async Task RefusesAsync(RunningServer server, TimeSpan time)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        var clock = System.Diagnostics.Stopwatch.StartNew();
        do
        {
            using var refused = await SendAsync(server, null);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Equal("queue_unavailable", JsonNode.Parse(await refused.Content.ReadAsStringAsync(Cancelled))!["code"]!.GetValue<string>());
        }
        while (clock.Elapsed < time && await timer.WaitForNextTickAsync(Cancelled));
    }

    private static async Task<string> AcceptAsync(RunningServer server, string? delay)
    {
        using var response = await SendAsync(server, delay);
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, await response.Content.ReadAsStringAsync(Cancelled));
        return response.Headers.GetValues("Dormouse-Invocation-Id").Single();
    }

    private static async Task<HttpResponseMessage> SendAsync(RunningServer server, string? delay)
    {
        using var request = InferCall.Request("digits", [Digits.Input(3)], binary: false);
        request.Headers.Add("Dormouse-Mode", "async");
        if (delay is not null)
        {
            request.Headers.Add("Dormouse-Delay", delay);
        }

        return await server.Http.SendAsync(request, Cancelled);
    }
}
