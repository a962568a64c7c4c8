using System.Net;
using System.Text;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Hosting;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Storage.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Tests.Overflow;

/// <summary>Two servers in one process: what the first has no room for, the second runs.</summary>
public sealed class OverflowTests : IAsyncLifetime
{
    private static readonly Guid ThereId = new("01990000-0000-7000-8000-000000000002");

    private GatewayHost _here = null!;
    private GatewayHost _there = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _here = await GatewayHost.StartAsync();
        _there = await GatewayHost.StartAsync(serverId: ThereId);
        _here.Driver.HoldRuns();
        _there.Driver.Play = run => AnswerAsync(run.Context, "there");
    }

    public async ValueTask DisposeAsync()
    {
        await _here.DisposeAsync();
        await _there.DisposeAsync();
    }

    [Fact]
    public async Task What_finds_the_queue_full_is_answered_by_the_other_server_and_leaves_a_receipt_on_both()
    {
        _there.Add("digits", isPublic: true);
        await using var full = await FullEndpoint.MakeAsync(_here, Spec());

        using var answer = await _here.InferAsync("digits");

        Assert.Equal("there", await answer.Content.ReadAsStringAsync(Cancellation));
        Assert.Equal(_there.Http.Authority, answer.Header("Dormouse-Overflow"));
        Assert.Equal("overflow", answer.Header("Dormouse-Start"));
        Assert.StartsWith("queue;dur=0", answer.Header("Server-Timing"), StringComparison.Ordinal);
        var here = Assert.Single(_here.Journal.Receipts);
        Assert.Equal(here.Invocation.ToString(), answer.Header("Dormouse-Invocation-Id"));
        Assert.Equal((StartKind.Overflow, Outcome.Completed, 0L, 0L, 0L), (here.Start, here.Outcome, here.Instance, here.MeteredMicroseconds, here.PricePico));
        Assert.Equal(StartKind.Cold, Assert.Single(_there.Journal.Receipts).Start);
        using var response = await _here.Client.GetAsync("/api/v1/invocations/" + here.Invocation, Cancellation);
        var receipt = await ControlServer.ReadAsync(response, ControlJson.Default.ReceiptInfo);
        Assert.Equal(("overflow", "overflow", _there.Http.Authority, "elsewhere"), (receipt.Line, receipt.Start, receipt.Overflow, receipt.Instance));
    }

    [Fact]
    public async Task The_callers_key_stays_here_and_the_addresss_own_key_its_way_and_the_deadline_go_along()
    {
        _there.Add("digits");
        Directory.CreateDirectory(Path.Combine(_here.Folder, "overflow-keys"));
        await File.WriteAllTextAsync(Path.Combine(_here.Folder, "overflow-keys", "there"), GatewayHost.AdminKey + "\n", Cancellation);
        using var seen = new RecordingProxy(_there.Http);
        await using var full = await FullEndpoint.MakeAsync(_here, Spec(seen.Address.ToString().TrimEnd('/')) with { Overflow = new OverflowPolicy(seen.Address.GetLeftPart(UriPartial.Authority), 5, "there", null) });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StringContent("{\"inputs\":[]}", Encoding.UTF8, "application/json") };
        request.Headers.Add("Dormouse-Deadline", "30s");
        request.Headers.Add("Cookie", "a=b");

        using var answer = await _here.Client.SendAsync(request, Cancellation);

        Assert.Equal("there", await answer.Content.ReadAsStringAsync(Cancellation));
        var sent = await seen.HeadAsync(Cancellation);
        Assert.Contains("POST /v2/models/digits/infer HTTP/1.1", sent, StringComparison.Ordinal);
        Assert.Contains($"Authorization: Bearer {GatewayHost.AdminKey}\r\n", sent, StringComparison.Ordinal);
        Assert.Contains($"Dormouse-Hops: {_here.Journal.ServerId}\r\n", sent, StringComparison.Ordinal);
        Assert.Contains("Dormouse-Deadline: 30s\r\n", sent, StringComparison.Ordinal);
        Assert.DoesNotContain("Cookie", sent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_gets_its_path_and_query_and_an_address_with_a_path_is_the_endpoints_own()
    {
        _there.Driver.Play = run => AnswerAsync(run.Context, run.Context.Request.Path + run.Context.Request.QueryString.ToString());
        _there.Add("app", GatewayHost.Program(), isPublic: true);
        await using var full = await FullEndpoint.MakeAsync(_here, Spec(_there.Http + "invoke/app") with { Runtime = "program" });

        using var answer = await _here.Client.PostAsync("/invoke/digits/a%20b/c?d=e", new StringContent("x"), Cancellation);

        Assert.Equal("/a%20b/c?d=e", await answer.Content.ReadAsStringAsync(Cancellation));
    }

    [Theory]
    [InlineData("Dormouse-Revision", "r1")]
    [InlineData("Upgrade", "websocket")]
    [InlineData("Dormouse-Hops", "00000000-0000-0000-0000-000000000001, 00000000-0000-0000-0000-000000000002, 00000000-0000-0000-0000-000000000003")]
    public async Task What_names_its_revision_is_to_be_upgraded_or_came_far_enough_stays(string header, string value)
    {
        _there.Add("digits", isPublic: true);
        await using var full = await FullEndpoint.MakeAsync(_here, Spec());
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StringContent("{}") };
        request.Headers.TryAddWithoutValidation(header, value);

        using var answer = await _here.Client.SendAsync(request, Cancellation);

        Assert.Equal("concurrency_limit_reached", await answer.CodeAsync());
        Assert.Equal(0, _there.Driver.Started);
    }

    [Fact]
    public async Task An_address_that_is_down_leaves_the_refusal_as_it_is_and_is_left_alone_after_three()
    {
        var down = FreePort.Next();
        await using var full = await FullEndpoint.MakeAsync(_here, Spec($"http://127.0.0.1:{down}"));

        for (var i = 0; i < 4; i++)
        {
            using var answer = await _here.InferAsync("digits");
            Assert.Equal("concurrency_limit_reached", await answer.CodeAsync());
        }

        var info = Assert.Single(await InfosAsync(_here));
        Assert.Equal(("left_alone", 3L, "it could not be reached"), (info.State, info.NotTaken, info.LastFailure));
        Assert.Empty(_here.Journal.Receipts);
    }

    [Fact]
    public async Task After_its_time_one_invocation_probes_it_and_then_it_is_asked_again()
    {
        await using var full = await FullEndpoint.MakeAsync(_here, Spec());
        for (var i = 0; i < 3; i++)
        {
            // It has no such endpoint yet.
            (await _here.InferAsync("digits")).Dispose();
        }

        _there.Add("digits", isPublic: true);
        using var early = await _here.InferAsync("digits");
        _here.Time.Advance(TimeSpan.FromSeconds(5));
        using var probe = await _here.InferAsync("digits");

        Assert.Equal(HttpStatusCode.TooManyRequests, early.StatusCode);
        Assert.Equal(HttpStatusCode.OK, probe.StatusCode);
        Assert.Equal("asked", Assert.Single(await InfosAsync(_here)).State);
    }

    [Fact]
    public async Task A_full_other_server_leaves_the_refusal_of_this_one()
    {
        _there.Driver.HoldRuns();
        await using var fullThere = await FullEndpoint.MakeAsync(_there, GatewayHost.Spec() with { QueueLimit = 1 }, isPublic: true);
        await using var full = await FullEndpoint.MakeAsync(_here, Spec(), isPublic: true);

        using var answer = await _here.InferAsync("digits");

        Assert.Equal("concurrency_limit_reached", await answer.CodeAsync());
        Assert.Null(answer.Header("Dormouse-Overflow"));
        Assert.Equal("it answered 429", Assert.Single(await InfosAsync(_here)).LastFailure);
    }

    [Fact]
    public async Task Two_full_servers_that_overflow_to_each_other_end_the_loop_with_a_refusal()
    {
        _there.Driver.HoldRuns();
        await using var fullThere = await FullEndpoint.MakeAsync(_there, Spec(_here.Http.GetLeftPart(UriPartial.Authority)), isPublic: true);
        await using var full = await FullEndpoint.MakeAsync(_here, Spec(), isPublic: true);

        using var answer = await _here.InferAsync("digits");

        Assert.Equal("concurrency_limit_reached", await answer.CodeAsync());
        Assert.Equal("it answered 508", Assert.Single(await InfosAsync(_there)).LastFailure);
        Assert.Equal("it answered 429", Assert.Single(await InfosAsync(_here)).LastFailure);
    }

    [Fact]
    public async Task What_comes_back_is_refused_with_508_also_when_there_is_room()
    {
        _there.Add("digits", isPublic: true);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StringContent("{}") };
        request.Headers.Add("Dormouse-Hops", ThereId.ToString());

        using var answer = await _there.Client.SendAsync(request, Cancellation);

        Assert.Equal((508, "overflow_loop"), ((int)answer.StatusCode, await answer.CodeAsync()));
        Assert.Equal(0, _there.Driver.Started);
    }

    [Fact]
    public async Task No_more_than_allowed_are_there_at_once()
    {
        _there.Driver.HoldRuns();
        _there.Add("digits", isPublic: true);
        await using var full = await FullEndpoint.MakeAsync(_here, Spec() with { Overflow = Policy() with { Max = 1 } });
        var first = _here.InferAsync("digits");
        var running = await _there.Driver.NextRunAsync(Cancellation);

        using var second = await _here.InferAsync("digits");
        running.Release();

        Assert.Equal(HttpStatusCode.TooManyRequests, second.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
    }

    [Fact]
    public async Task An_answer_that_never_comes_is_told_and_the_invocation_is_not_run_again()
    {
        using var mute = new RecordingProxy(null);
        await using var full = await FullEndpoint.MakeAsync(_here, Spec(mute.Address.GetLeftPart(UriPartial.Authority)));

        using var answer = await _here.InferAsync("digits");

        Assert.Equal((502, "overflow_failed"), ((int)answer.StatusCode, await answer.CodeAsync()));
        Assert.Equal(1, Assert.Single(await InfosAsync(_here)).Failed);
    }

    [Fact]
    public async Task Without_room_on_the_machine_it_goes_after_half_a_second()
    {
        await using var small = await GatewayHost.StartAsync(new Dictionary<string, string> { ["DORMOUSE_MACHINE__MEMORY"] = "64MiB" });
        small.Driver.HoldRuns();
        _there.Add("digits", isPublic: true);
        small.Add("other");
        var route = small.Add("digits", Spec());
        var busy = small.InferAsync("other");
        var running = await small.Driver.NextRunAsync(Cancellation);

        var answer = small.InferAsync("digits");
        await Conditions.UntilAsync(() => small.Dispatch.Samples(route.Endpoint.Id).Sum(s => s.Sample.Queued) == 1, "it waits");
        small.Time.Advance(TimeSpan.FromMilliseconds(500));

        Assert.Equal("overflow", (await answer).Header("Dormouse-Start"));
        running.Release();
        (await busy).Dispose();
    }

    [Fact]
    public async Task A_deploy_with_an_address_of_this_server_or_without_its_key_is_refused()
    {
        await using var server = await ControlServer.StartAsync();
        server.Services.GetRequiredService<ListeningAt>().Write(new ServerAddresses("http://127.0.0.1:8080", "http://127.0.0.1:8081", 1, "1"));

        async Task<string> RefusedAsync(OverflowSettings overflow)
        {
            using var response = await server.DeployAsync("digits", "good", new RevisionSettings { Overflow = overflow });
            return (await ControlServer.ProblemAsync(response, ProblemCode.SpecInvalid)).Detail!;
        }

        Assert.Contains("overflow.url is 'http://localhost:8080/x', which is this server", await RefusedAsync(new OverflowSettings("http://localhost:8080/x")), StringComparison.Ordinal);
        Assert.Contains("overflow.key_file is 'there', which is not in the server's folder", await RefusedAsync(new OverflowSettings("https://other", null, "there")), StringComparison.Ordinal);
        Assert.Contains("overflow.max is 0; allowed are 1 to 1000", await RefusedAsync(new OverflowSettings("https://other", 0)), StringComparison.Ordinal);
        Assert.Equal(404, (int)(await server.Admin.GetAsync("/api/v1/endpoints/digits", Cancellation)).StatusCode);
        (await server.DeployAsync("digits", "good", new RevisionSettings { Overflow = new OverflowSettings("https://other:8080") })).EnsureSuccessStatusCode();
        Assert.Equal(new OverflowSettings("https://other:8080", 20), (await server.EndpointAsync("digits")).Revisions[0].Settings.Overflow);
    }

    private OverflowPolicy Policy(string? url = null) => new(url ?? _there.Http.GetLeftPart(UriPartial.Authority), 5, null, null);

    private RevisionSpec Spec(string? url = null) => GatewayHost.Spec() with { QueueLimit = 1, Overflow = Policy(url) };

    private static Task AnswerAsync(HttpContext context, string text) => FakeInstance.AnswerAsync(context, 200, "application/json", Encoding.UTF8.GetBytes(text));

    private static async Task<IReadOnlyList<OverflowInfo>> InfosAsync(GatewayHost host)
    {
        using var response = await host.Client.GetAsync("/api/v1/endpoints/digits", Cancellation);
        return (await ControlServer.ReadAsync(response, ControlJson.Default.EndpointInfo)).Overflow!.Value;
    }
}
