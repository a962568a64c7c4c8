using System.Text;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Routing;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Rollouts;

public sealed class MirrorTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_copy_runs_after_the_answer_and_equal_answers_count_as_the_same()
    {
        await using var host = await MirroringAsync(run => Answer(run, Version(run) == "1" ? """{"model_version":"1","outputs":[{"data":[1.0]}]}""" : """{"model_version":"2","outputs":[{"data":[1.00001]}]}"""));

        using var answer = await host.InferAsync("digits");
        var info = await CountedAsync(host, i => i.Compared == 1);

        Assert.Contains("\"model_version\":\"1\"", await answer.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.Equal((1L, 0L, 0L), (info.Same, info.DifferentBody, info.DifferentStatus));
        Assert.Equal([(1, false), (2, true)], host.Journal.Receipts.OrderBy(r => r.Sequence).Select(r => (r.Revision.Number, r.IsMirror)));
    }

    [Fact]
    public async Task Different_answers_are_counted_with_the_place_where_they_differ()
    {
        await using var host = await MirroringAsync(run => Answer(run, Version(run) == "1" ? """{"outputs":[{"data":[1.0]}]}""" : """{"outputs":[{"data":[1.5]}]}"""));

        (await host.InferAsync("digits")).Dispose();
        var info = await CountedAsync(host, i => i.Compared == 1);

        Assert.Equal((1L, "outputs[0].data[0] is 1.0 and 1.5"), (info.DifferentBody, info.LastDifference));
    }

    [Fact]
    public async Task A_copy_that_fails_is_told_and_its_caller_never_hears_of_it()
    {
        await using var host = await MirroringAsync(run => Version(run) == "1" ? Answer(run, "{}") : FakeInstance.AnswerAsync(run.Context, 500, "application/json", "{}"u8.ToArray()));

        using var answer = await host.InferAsync("digits");
        var info = await CountedAsync(host, i => i.Compared == 1);

        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Equal((1L, "the status is 200 and 500"), (info.DifferentStatus, info.LastDifference));
    }

    [Fact]
    public async Task A_copy_that_hangs_keeps_nobody_waiting_and_many_are_dropped_and_counted()
    {
        var hanging = new TaskCompletionSource();
        await using var host = await MirroringAsync(async run =>
        {
            if (Version(run) == "2")
            {
                await hanging.Task.WaitAsync(run.Context.RequestAborted);
            }

            await Answer(run, "{}");
        });

        for (var i = 0; i < 40; i++)
        {
            using var answer = await host.InferAsync("digits");
            Assert.Equal(200, (int)answer.StatusCode);
        }

        Assert.Equal(8, (await CountedAsync(host, i => i.Dropped > 0)).Dropped);
        hanging.SetResult();
        Assert.Equal(32, (await CountedAsync(host, i => i.Compared == 32)).Same);
    }

    [Fact]
    public async Task Copies_wait_behind_everybody_else()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        Put(host, host.Add("digits", GatewayHost.Spec(), withoutTraffic: 1), new Mirror(2, 100, 0));
        Task<HttpResponseMessage> DirectAsync() => host.Client.PostAsync("/v2/models/digits/versions/2/infer", new StringContent("{}", Encoding.UTF8, "application/json"), Cancellation);

        var holding = DirectAsync();
        var running = await host.Driver.NextRunAsync(Cancellation);
        var original = host.InferAsync("digits");
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        (await original).Dispose();
        await Conditions.UntilAsync(() => Queued(host) == 1, "the copy waits");
        var direct = DirectAsync();
        await Conditions.UntilAsync(() => Queued(host) == 2, "a caller waits behind it");
        running.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        (await direct).Dispose();
        var copies = host.Journal.Receipts.Count(r => r.IsMirror);
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        (await holding).Dispose();

        Assert.Equal(0, copies);
        Assert.Equal(1, (await CountedAsync(host, i => i.Compared == 1)).Same);
    }

    [Fact]
    public async Task What_names_a_revision_or_runs_on_the_mirrors_own_is_not_copied_and_a_long_body_is_counted()
    {
        await using var host = await MirroringAsync(run => Answer(run, "{}"));

        (await host.Client.PostAsync("/v2/models/digits/versions/1/infer", new StringContent("{}"), Cancellation)).Dispose();
        (await host.Client.PostAsync("/v2/models/digits/versions/2/infer", new StringContent("{}"), Cancellation)).Dispose();
        (await host.Client.PostAsync("/v2/models/digits/infer", new ByteArrayContent(new byte[(1 << 20) + 1]), Cancellation)).Dispose();

        var info = await CountedAsync(host, i => i.NotMirrored == 1);
        Assert.Equal((0L, 0L), (info.Compared, info.Dropped));
        Assert.All(host.Journal.Receipts, r => Assert.False(r.IsMirror));
    }

    [Fact]
    public async Task A_copy_of_any_other_request_has_its_method_path_and_headers_and_not_the_key()
    {
        var seen = new TaskCompletionSource<string>();
        await using var host = await MirroringAsync(
            run =>
            {
                if (Version(run) == "2")
                {
                    seen.TrySetResult($"{run.Context.Request.Method} {run.Context.Request.Path}{run.Context.Request.QueryString} {run.Context.Request.Headers["X-A"]} {run.Context.Request.Headers.Authorization}{Encoding.UTF8.GetString(run.Body)}");
                }

                return Answer(run, "{}");
            },
            GatewayHost.Program());
        using var request = new HttpRequestMessage(HttpMethod.Put, "/invoke/digits/a/b?c=d") { Content = new StringContent("body") };
        request.Headers.Add("X-A", "1");

        (await host.Client.SendAsync(request, Cancellation)).Dispose();

        Assert.Equal("PUT /a/b?c=d 1 body", await seen.Task.WaitAsync(Cancellation));
    }

    [Fact]
    public void A_copy_counts_for_no_canary()
    {
        var counts = new RevisionCounts();
        var receipt = Receipts.ServerLost(default, 1, new InvocationOpening(default, TenantId.Default, default, 1, default, 64, IsMirror: true));

        counts.Count(receipt with { Outcome = Outcome.Failed, Start = StartKind.Warm });

        Assert.Equal(0, counts.Samples);
    }

    [Fact]
    public async Task A_mirror_is_set_stored_and_taken_away()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        using var set = await PutAsync(server, new MirrorRequest("r1", 10));

        var info = (await ControlServer.ReadAsync(set, ControlJson.Default.EndpointInfo)).Mirror;
        Assert.Equal(("r1", 10, 1e-4), (info?.Revision, info?.Percent, info?.Tolerance));
        Assert.Equal(new Mirror(1, 10, 1e-4), (await server.Storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation))?.Mirror);
        (await server.Admin.DeleteAsync("/api/v1/endpoints/digits/mirror", Cancellation)).EnsureSuccessStatusCode();
        Assert.Null((await server.EndpointAsync("digits")).Mirror);
    }

    [Theory]
    [InlineData("r1", 0, null, "percent is 0; allowed are 1 to 100.")]
    [InlineData("r1", 10, 2.0, "tolerance is 2; allowed are 0 to 1.")]
    [InlineData("r2", 10, null, "Revision r2 is not ready")]
    [InlineData("r3", 10, null, "There is no revision r3.")]
    [InlineData("1", 10, null, "'1' is no revision")]
    public async Task What_cannot_be_mirrored_is_refused_and_changes_nothing(string revision, int percent, double? tolerance, string detail)
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();
        await server.DeployAsync("digits", "bad second");

        using var response = await PutAsync(server, new MirrorRequest(revision, percent, tolerance));

        var problem = await ControlServer.ProblemAsync(response, revision == "r3" ? ProblemCode.RevisionNotFound : ProblemCode.SpecInvalid);
        Assert.Contains(detail, problem.Detail, StringComparison.Ordinal);
        Assert.Null((await server.EndpointAsync("digits")).Mirror);
    }

    private static Task<HttpResponseMessage> PutAsync(ControlServer server, MirrorRequest request) =>
        server.Admin.PutAsync("/api/v1/endpoints/digits/mirror", ControlServer.Json(request, ControlJson.Default.MirrorRequest), Cancellation);

    /// <summary>r1 has the traffic, all of it is mirrored to r2.</summary>
    private static async Task<GatewayHost> MirroringAsync(Func<FakeRun, Task> play, RevisionSpec? spec = null)
    {
        var host = await GatewayHost.StartAsync();
        host.Driver.Play = play;
        Put(host, host.Add("digits", spec, withoutTraffic: 1), new Mirror(2, 100, 1e-4));
        return host;
    }

    private static void Put(GatewayHost host, EndpointRoute route, Mirror mirror)
    {
        var endpoint = route.Endpoint with { Mirror = mirror };
        host.Catalogue.Put(endpoint);
        host.Routes.Put(new EndpointRoute(endpoint, route.Revisions));
    }

    private static int Queued(GatewayHost host) => host.Dispatch.Samples(host.Routes.Find(TenantId.Default, "digits")!.Endpoint.Id).Sum(s => s.Sample.Queued);

    private static string Version(FakeRun run) => run.Context.Request.Headers["Dormouse-Model-Version"].ToString();

    private static Task Answer(FakeRun run, string json) => FakeInstance.AnswerAsync(run.Context, 200, "application/json", Encoding.UTF8.GetBytes(json));

    private static async Task<MirrorInfo> CountedAsync(GatewayHost host, Func<MirrorInfo, bool> isSo)
    {
        var mirrors = host.Service<Dormouse.Server.Rollouts.MirrorCopies>();
        var endpoint = host.Routes.Find(TenantId.Default, "digits")!.Endpoint;
        await Conditions.UntilAsync(() => isSo(mirrors.Info(endpoint)!), "the copies are counted");
        return mirrors.Info(endpoint)!;
    }
}
