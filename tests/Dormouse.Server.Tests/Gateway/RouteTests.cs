using System.Net;
using System.Text;
using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Tests.Gateway;

public sealed class RouteTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Metadata_and_readiness_never_start_an_instance()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits", withoutTraffic: 1);

        using var model = await host.Client.GetAsync("/v2/models/digits", Cancellation);
        using var config = await host.Client.GetAsync("/v2/models/digits/versions/2/config", Cancellation);
        using var ready = await host.Client.GetAsync("/v2/models/digits/ready", Cancellation);
        using var server = await host.Client.GetAsync("/v2", Cancellation);
        using var models = await host.Client.GetAsync("/v2/models", Cancellation);

        var metadata = await model.JsonAsync();
        Assert.Equal("digits", metadata.GetProperty("name").GetString());
        Assert.Equal(["1", "2"], metadata.GetProperty("versions").EnumerateArray().Select(v => v.GetString()));
        Assert.Equal("onnxruntime_onnx", metadata.GetProperty("platform").GetString());
        Assert.Equal("[-1,4]", metadata.GetProperty("inputs")[0].GetProperty("shape").GetRawText());
        Assert.Equal("TYPE_FP32", (await config.JsonAsync()).GetProperty("input")[0].GetProperty("data_type").GetString());
        Assert.True((await ready.JsonAsync()).GetProperty("ready").GetBoolean());
        Assert.Contains("binary_tensor_data", (await server.JsonAsync()).GetProperty("extensions").GetRawText(), StringComparison.Ordinal);
        Assert.Equal("""{"models":["digits"]}""", (await models.JsonAsync()).GetRawText());
        Assert.Equal(0, host.Driver.Started);
    }

    [Fact]
    public async Task A_model_that_nothing_has_loaded_has_no_metadata_yet()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits", model: null);

        using var answer = await host.Client.GetAsync("/v2/models/digits", Cancellation);

        Assert.Equal("endpoint_not_ready", await answer.CodeAsync());
    }

    [Fact]
    public async Task Unloading_refuses_invocations_until_the_model_is_loaded_again()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = host.Add("digits");
        using var before = await host.InferAsync("digits");

        using var unload = await host.Client.PostAsync("/v2/repository/models/digits/unload", null, Cancellation);
        using var refused = await host.InferAsync("digits");
        using var index = await host.Client.PostAsync("/v2/repository/index", null, Cancellation);
        using var onlyReady = await host.Client.PostAsync("/v2/repository/index", new StringContent("""{"ready":true}"""), Cancellation);
        using var ready = await host.Client.GetAsync("/v2/models/digits/ready", Cancellation);

        Assert.Equal(HttpStatusCode.OK, unload.StatusCode);
        Assert.Equal("endpoint_unloaded", await refused.CodeAsync());
        Assert.Equal("""[{"name":"digits","version":"1","state":"UNAVAILABLE","reason":"unloaded"}]""", (await index.JsonAsync()).GetRawText());
        Assert.Equal("[]", (await onlyReady.JsonAsync()).GetRawText());
        Assert.Equal(HttpStatusCode.BadRequest, ready.StatusCode);
        Assert.True((await host.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation))!.IsUnloaded);
        await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id).IsEmpty, "the instance is gone");

        using var load = await host.Client.PostAsync("/v2/repository/models/digits/load", null, Cancellation);
        using var after = await host.InferAsync("digits");
        Assert.Equal("""{"name":"digits","load":true}""", (await load.JsonAsync()).GetRawText());
        Assert.Equal(HttpStatusCode.OK, after.StatusCode);
    }

    [Theory]
    [InlineData("GET", "/v2/models/digits/infer", 405)]
    [InlineData("POST", "/v2/models/digits", 405)]
    [InlineData("GET", "/v2/repository/index", 405)]
    [InlineData("GET", "/v2/nothing/here", 404)]
    [InlineData("GET", "/v2/models/absent", 404)]
    [InlineData("POST", "/v2/models/absent/infer", 404)]
    [InlineData("POST", "/v2/models/digits/versions/9/infer", 404)]
    [InlineData("POST", "/v2/models/digits/versions/one/infer", 404)]
    [InlineData("POST", "/v2/models/digits/generate", 501)]
    [InlineData("POST", "/v2/models/digits/generate_stream", 501)]
    [InlineData("GET", "/v2/systemsharedmemory/status", 501)]
    [InlineData("POST", "/v2/cudasharedmemory/region/x/register", 501)]
    public async Task What_is_not_there_or_not_possible_says_so_with_an_error_member(string method, string path, int status)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");

        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = method == "POST" ? new StringContent("{}") : null };
        using var answer = await host.Client.SendAsync(request, Cancellation);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal("application/json", answer.Content.Headers.ContentType?.MediaType);
        Assert.NotEqual("", (await answer.JsonAsync()).GetProperty("error").GetString());
        Assert.Equal(0, host.Driver.Started);
    }

    [Theory]
    [InlineData("""{"parameters":{"file:1/model.onnx":"AAAA"}}""", 501)]
    [InlineData("""{"parameters":{"config":"{}"}}""", 501)]
    [InlineData("""{"parameters":{"unload_dependents":true}}""", 200)]
    [InlineData("""{"parameters":""", 400)]
    [InlineData("[]", 400)]
    public async Task Loading_takes_no_files_and_no_broken_json(string body, int status)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");

        using var answer = await host.Client.PostAsync("/v2/repository/models/digits/load", new StringContent(body, Encoding.UTF8), Cancellation);

        Assert.Equal(status, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Every_route_needs_a_key_except_health_and_public_endpoints()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("closed");
        host.Add("open", isPublic: true);
        using var stranger = new HttpClient { BaseAddress = host.Http };

        async Task<int> StatusAsync(string method, string path)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = method == "POST" ? new StringContent("{}") : null };
            using var answer = await stranger.SendAsync(request, Cancellation);
            return (int)answer.StatusCode;
        }

        Assert.Equal(200, await StatusAsync("GET", "/v2/health/live"));
        Assert.Equal(200, await StatusAsync("GET", "/v2/health/ready"));
        Assert.Equal(200, await StatusAsync("POST", "/v2/models/open/infer"));
        Assert.Equal(200, await StatusAsync("GET", "/v2/models/open"));
        Assert.Equal(401, await StatusAsync("POST", "/v2/models/closed/infer"));
        Assert.Equal(401, await StatusAsync("POST", "/v2/models/absent/infer"));
        Assert.Equal(401, await StatusAsync("GET", "/v2/models/closed"));
        Assert.Equal(401, await StatusAsync("GET", "/v2/models"));
        Assert.Equal(401, await StatusAsync("GET", "/v2"));
        Assert.Equal(401, await StatusAsync("POST", "/v2/repository/index"));
        Assert.Equal(401, await StatusAsync("POST", "/v2/repository/models/open/unload"));
        Assert.Equal(401, await StatusAsync("GET", "/invoke/closed/x"));
    }

    [Fact]
    public async Task A_tenants_endpoints_are_under_its_own_address()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits", tenant: "acme");
        host.Add("app", GatewayHost.Program(), tenant: "acme");

        using var own = await host.Client.PostAsync("/t/acme/v2/models/digits/infer", new StringContent("{}"), Cancellation);
        using var absent = await host.InferAsync("digits");
        using var invoke = await host.Client.GetAsync("/t/acme/invoke/app", Cancellation);

        Assert.Equal(HttpStatusCode.OK, own.StatusCode);
        Assert.Equal("endpoint_not_found", await absent.CodeAsync());
        Assert.Equal(HttpStatusCode.OK, invoke.StatusCode);
    }

    [Fact]
    public async Task Traffic_is_split_by_weight_and_a_version_in_the_path_wins()
    {
        await using var host = await GatewayHost.StartAsync(random: new Random(7));
        host.Driver.Play = run => FakeInstance.AnswerAsync(
            run.Context, 200, "text/plain", Encoding.UTF8.GetBytes(run.Context.Request.Headers["Dormouse-Model-Version"].ToString()));
        host.Add("digits", weights: [75, 25], withoutTraffic: 1);

        var counts = new Dictionary<string, int>();
        for (var i = 0; i < 200; i++)
        {
            using var answer = await host.InferAsync("digits");
            var version = await answer.Content.ReadAsStringAsync(Cancellation);
            counts[version] = counts.GetValueOrDefault(version) + 1;
        }

        using var named = await host.Client.PostAsync("/v2/models/digits/versions/3/infer", new StringContent("{}"), Cancellation);

        // 200 draws of the seeded generator at 75 per cent: 150 ± 3 standard deviations.
        Assert.InRange(counts["1"], 132, 168);
        Assert.Equal(200, counts["1"] + counts["2"]);
        Assert.Equal("3", await named.Content.ReadAsStringAsync(Cancellation));
    }

    [Fact]
    public async Task Statistics_count_successes_and_failures_per_revision()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, run.Body.Length == 0 ? 400 : 200, "application/json", "{}"u8.ToArray(), 1000);
        host.Add("digits");
        using var one = await host.InferAsync("digits");
        using var two = await host.InferAsync("digits");
        using var bad = await host.InferAsync("digits", "");

        using var answer = await host.Client.GetAsync("/v2/models/digits/stats", Cancellation);

        var stats = (await answer.JsonAsync()).GetProperty("model_stats")[0];
        Assert.Equal(("digits", "1", 2), (stats.GetProperty("name").GetString(), stats.GetProperty("version").GetString(), stats.GetProperty("inference_count").GetInt32()));
        Assert.Equal(2_000_000, stats.GetProperty("inference_stats").GetProperty("compute_infer").GetProperty("ns").GetInt64());
        Assert.Equal(1, stats.GetProperty("inference_stats").GetProperty("fail").GetProperty("count").GetInt32());
    }

    [Theory]
    [InlineData("GET", "/invoke/pictures", 405, "POST")]
    [InlineData("PUT", "/invoke/pictures", 405, "POST")]
    [InlineData("POST", "/invoke/pictures/chat", 404, "POST a picture to /invoke/pictures")]
    [InlineData("POST", "/invoke/digits", 404, "deploy")]
    [InlineData("POST", "/invoke/labels", 415, "no picture")]
    public async Task What_a_model_cannot_answer_is_refused_without_starting_it(string method, string path, int status, string words)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        host.Add("pictures", GatewayHost.Spec() with { Signature = """{"picture":{"width":8,"height":8}}""" });
        host.Add("labels", GatewayHost.Spec() with { Signature = """{"labels":{"top":3}}""" });

        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var answer = await host.Client.SendAsync(request, Cancellation);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains(words, (await answer.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(status == 405 ? ["POST"] : [], answer.Content.Headers.Allow);
        Assert.Equal(0, host.Driver.Started);
    }

    [Fact]
    public async Task Statistics_without_a_version_are_of_all_revisions_and_without_a_model_of_all_models()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits", withoutTraffic: 1);
        host.Add("iris");
        host.Add("iris", tenant: "acme");

        Assert.Equal(["digits 1", "digits 2"], await RowsAsync(host, "/v2/models/digits/stats"));
        Assert.Equal(["digits 2"], await RowsAsync(host, "/v2/models/digits/versions/2/stats"));
        Assert.Equal(["digits 1", "digits 2", "iris 1"], await RowsAsync(host, "/v2/models/stats"));
    }

    [Fact]
    public async Task A_model_called_stats_keeps_its_own_address()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("stats");

        using var answer = await host.Client.GetAsync("/v2/models/stats", Cancellation);

        Assert.Equal("onnxruntime_onnx", (await answer.JsonAsync()).GetProperty("platform").GetString());
    }

    [Fact]
    public async Task The_index_lists_every_revision_with_its_state()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = host.Add("digits", withoutTraffic: 3);
        var revisions = await host.Catalogue.RevisionsAsync(route.Endpoint.Id, Cancellation);
        host.Catalogue.Put(route.Endpoint, revisions.Select(r => r.Id.Number switch
        {
            3 => r with { State = RevisionState.Failed, Failure = "no such operator" },
            4 => r with { State = RevisionState.Verifying },
            _ => r,
        }));

        using var answer = await host.Client.PostAsync("/v2/repository/index", null, Cancellation);
        using var ready = await host.Client.PostAsync("/v2/repository/index", new StringContent("""{"ready":true}"""), Cancellation);

        Assert.Equal(
            ["1 READY ", "2 READY ", "3 UNAVAILABLE no such operator", "4 LOADING being verified"],
            (await answer.JsonAsync()).EnumerateArray().Select(m => $"{m.GetProperty("version").GetString()} {m.GetProperty("state").GetString()} {m.GetProperty("reason").GetString()}"));
        Assert.Equal(2, (await ready.JsonAsync()).GetArrayLength());
    }

    [Theory]
    [InlineData("index", """{"ready":"yes"}""", "'ready' is \"yes\"; allowed are true and false")]
    [InlineData("index", """{"ready":1}""", "'ready' is 1; allowed are true and false")]
    [InlineData("models/digits/load", """{"parameters":[]}""", "'parameters' is []; allowed is an object")]
    [InlineData("models/digits/unload", """{"parameters":{"unload_dependents":"no"}}""", "'parameters.unload_dependents' is \"no\"; allowed are true and false")]
    [InlineData("index", "5", "an object")]
    public async Task A_repository_call_names_the_member_of_a_wrong_type(string call, string body, string words)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");

        using var answer = await host.Client.PostAsync("/v2/repository/" + call, new StringContent(body), Cancellation);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(words, (await answer.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(RevisionState.Failed, 422, "model_invalid", false)]
    [InlineData(RevisionState.Verifying, 503, "endpoint_not_ready", true)]
    public async Task An_endpoint_without_a_ready_revision_says_whether_there_will_be_one(RevisionState state, int status, string code, bool retryable)
    {
        await using var host = await GatewayHost.StartAsync();
        var route = host.Add("digits", weights: [], withoutTraffic: 1);
        var revision = Assert.Single(await host.Catalogue.RevisionsAsync(route.Endpoint.Id, Cancellation));
        host.Catalogue.Put(route.Endpoint, revision with { State = state, Failure = state == RevisionState.Failed ? "no such operator 'Foo'" : null });

        using var infer = await host.InferAsync("digits");
        using var metadata = await host.Client.GetAsync("/v2/models/digits", Cancellation);

        foreach (var answer in (HttpResponseMessage[])[infer, metadata])
        {
            var problem = await answer.JsonAsync();
            Assert.Equal((status, code, retryable), ((int)answer.StatusCode, problem.GetProperty("code").GetString(), problem.GetProperty("retryable").GetBoolean()));
            Assert.Equal(retryable, answer.Headers.RetryAfter is not null);
            Assert.Contains(state == RevisionState.Failed ? "r1 was refused: no such operator 'Foo'" : "r1 is being verified", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("POST", "/v2/models/my%20caf%C3%A9%2Fone/infer", "'my café/one'")]
    [InlineData("GET", "/v2/models/a%2fb", "'a/b'")]
    [InlineData("POST", "/invoke/a%2Fb", "'a/b'")]
    [InlineData("POST", "/v2/repository/models/a%2Fb/load", "'a/b'")]
    [InlineData("GET", "/v2/models/digits/versions/one%2Ftwo", "'one/two'")]
    [InlineData("GET", "/api/v1/endpoints/a%2Fb", "'a/b'")]
    [InlineData("GET", "/no%20where/caf%C3%A9%2Fx", "/no where/café/x")]
    [InlineData("GET", "/v2/models/a%0Ab", "'a?b'")]
    public async Task What_is_not_there_is_named_as_its_caller_meant_it(string method, string path, string words)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");

        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var answer = await host.Client.SendAsync(request, Cancellation);

        Assert.Equal(404, (int)answer.StatusCode);
        Assert.Contains(words, (await answer.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    private static async Task<List<string>> RowsAsync(GatewayHost host, string path)
    {
        using var answer = await host.Client.GetAsync(path, Cancellation);
        return [.. (await answer.JsonAsync()).GetProperty("model_stats").EnumerateArray().Select(m => $"{m.GetProperty("name").GetString()} {m.GetProperty("version").GetString()}")];
    }
}
