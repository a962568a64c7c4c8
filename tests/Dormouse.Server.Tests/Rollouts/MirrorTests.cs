using System.Security.Cryptography;
using System.Text;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Inference.Wire;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Routing;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Server.Tests.Grpc;
using Google.Protobuf;
using Grpc.Core;

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
    public async Task What_names_a_revision_or_runs_on_the_mirrors_own_is_not_copied()
    {
        await using var host = await MirroringAsync(run => Answer(run, "{}"));

        (await host.Client.PostAsync("/v2/models/digits/versions/1/infer", new StringContent("{}"), Cancellation)).Dispose();
        (await host.Client.PostAsync("/v2/models/digits/versions/2/infer", new StringContent("{}"), Cancellation)).Dispose();
        (await host.InferAsync("digits")).Dispose();

        // The one that was copied came last.
        var info = await CountedAsync(host, i => i.Compared == 1);
        Assert.Equal((0L, 0L), (info.NotMirrored, info.Dropped));
        Assert.Single(host.Journal.Receipts, r => r.IsMirror);
    }

    [Theory]
    [InlineData((1 << 20) + 1, true)]
    [InlineData(5 << 20, true)]
    [InlineData(5 << 20, false)]
    public async Task A_long_body_is_copied_whole_while_it_streams(int size, bool isDeclared)
    {
        await using var host = await MirroringAsync(run => Answer(run, $$"""{"hash":"{{Convert.ToHexString(SHA256.HashData(run.Body))}}","length":{{run.Body.Length}}}"""));
        var body = new byte[size];
        new Random(size).NextBytes(body);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new ByteArrayContent(body) };
        request.Headers.TransferEncodingChunked = !isDeclared;

        using var answer = await host.Client.SendAsync(request, Cancellation);
        var info = await CountedAsync(host, i => i.Compared + i.NotMirrored + i.Dropped == 1);

        Assert.Contains(Convert.ToHexString(SHA256.HashData(body)), await answer.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.Equal((1L, 0L, 0L), (info.Same, info.NotMirrored, info.Dropped));
    }

    [Fact]
    public async Task A_long_body_that_waited_for_its_slot_is_copied_as_well()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.IsReadyAtOnce = false;
        host.Driver.Play = run => Answer(run, $"{{\"length\":{run.Body.Length}}}");
        Put(host, host.Add("digits", withoutTraffic: 1), new Mirror(2, 100, 0));

        var call = host.Client.PostAsync("/v2/models/digits/infer", new ByteArrayContent(new byte[3 << 20]), Cancellation);
        await host.Driver.MakeReadyAsync((await host.Driver.NextStartAsync(Cancellation)).Instance);
        (await call).Dispose();
        await host.Driver.MakeReadyAsync((await host.Driver.NextStartAsync(Cancellation)).Instance);

        Assert.Equal(1, (await CountedAsync(host, i => i.Compared == 1)).Same);
    }

    [Fact]
    public async Task A_long_body_that_cannot_be_kept_is_answered_all_the_same_and_counted()
    {
        var folder = Directory.CreateTempSubdirectory("dormouse-spool-");
        await using var host = await MirroringAsync(run => Answer(run, "{}"), null, new() { ["DORMOUSE_SERVER__SPOOL_FOLDER"] = folder.FullName });
        folder.Delete();

        using var answer = await host.Client.PostAsync("/v2/models/digits/infer", new ByteArrayContent(new byte[3 << 20]), Cancellation);

        Assert.Equal(200, (int)answer.StatusCode);
        await CountedAsync(host, i => i.NotMirrored == 1);
    }

    [Fact]
    public async Task A_body_that_may_be_longer_than_all_copies_together_is_counted()
    {
        await using var host = await MirroringAsync(run => Answer(run, "{}"), null, new() { ["DORMOUSE_SERVER__BODY_LIMIT"] = "1GiB" });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new ByteArrayContent(new byte[3 << 20]) };
        request.Headers.TransferEncodingChunked = true;

        (await host.Client.SendAsync(request, Cancellation)).Dispose();

        await CountedAsync(host, i => i.NotMirrored == 1);
    }

    [Fact]
    public async Task Messages_of_grpc_are_copied_after_their_answers_and_compared_by_value()
    {
        await using var host = await MirroringAsync(run => FakeInstance.AnswerAsync(run.Context, 200, "application/x-protobuf", Message(run).ToByteArray()));
        using var caller = new GrpcCaller(host);

        Assert.Equal("1", (await caller.Call(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits", Id = "a" })).ModelVersion);
        using (var stream = caller.Invoker.AsyncDuplexStreamingCall(GrpcCaller.ModelStreamInfer, null, new CallOptions(GrpcCaller.Key, cancellationToken: Cancellation)))
        {
            await stream.RequestStream.WriteAsync(new ModelInferRequest { ModelName = "digits", Id = "b" }, Cancellation);
            Assert.True(await stream.ResponseStream.MoveNext(Cancellation));
            await stream.RequestStream.CompleteAsync();
        }

        await caller.Call(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits", ModelVersion = "1" });
        var info = await CountedAsync(host, i => i.Compared == 2);

        Assert.Equal((2L, 0L), (info.Same, info.Dropped));
        Assert.Equal([(1, false), (1, false), (1, false), (2, true), (2, true)], host.Journal.Receipts.Select(r => (r.Revision.Number, r.IsMirror)).Order());

        // A refusal of the model is an answer, too.
        host.Driver.Play = run => Version(run) == "1"
            ? FakeInstance.AnswerAsync(run.Context, 400, "application/json", """{"status":400,"code":"input_invalid","detail":"no"}"""u8.ToArray())
            : FakeInstance.AnswerAsync(run.Context, 200, "application/x-protobuf", []);
        await caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits" });
        Assert.Equal("the status is 400 and 200", (await CountedAsync(host, i => i.DifferentStatus == 1)).LastDifference);
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
    private static async Task<GatewayHost> MirroringAsync(Func<FakeRun, Task> play, RevisionSpec? spec = null, Dictionary<string, string>? environment = null)
    {
        var host = await GatewayHost.StartAsync(environment);
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

    /// <summary>An answer of the run's revision: equal but for its version and a trifle.</summary>
    private static ModelInferResponse Message(FakeRun run) => new()
    {
        ModelName = "digits",
        ModelVersion = Version(run),
        Id = ModelInferRequest.Parser.ParseFrom(run.Body).Id,
        Outputs = { new ModelInferResponse.Types.InferOutputTensor { Name = "y", Datatype = "FP32", Shape = { 1 } } },
        RawOutputContents = { ByteString.CopyFrom(BitConverter.GetBytes(Version(run) == "1" ? 1f : 1.00001f)) },
    };

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
