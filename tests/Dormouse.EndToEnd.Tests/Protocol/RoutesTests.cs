using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Protocol;

/// <summary>The protocol's addresses beside inference.</summary>
public sealed class RoutesTests(EchoFixture fixture) : IClassFixture<EchoFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task The_server_tells_its_health_and_what_it_can()
    {
        Assert.True((await Server.GetAsync("/v2/health/live", Cancelled))["live"]!.GetValue<bool>());
        Assert.True((await Server.GetAsync("/v2/health/ready", Cancelled))["ready"]!.GetValue<bool>());
        var server = await Server.GetAsync("/v2", Cancelled);
        Assert.Equal("dormouse", server["name"]!.GetValue<string>());
        Assert.Contains("binary_tensor_data", server["extensions"]!.AsArray().Select(e => e!.GetValue<string>()));
        Assert.Contains("echo", (await Server.GetAsync("/v2/models", Cancelled))["models"]!.AsArray().Select(m => m!.GetValue<string>()));
    }

    [Fact]
    public async Task Metadata_and_configuration_describe_a_model_without_starting_it()
    {
        await Server.DeployAsync("metadata", [("model.onnx", SmallModels.Echo())], Cancelled);

        var metadata = await Server.GetAsync("/v2/models/metadata", Cancelled);
        var config = await Server.GetAsync("/v2/models/metadata/config", Cancelled);

        Assert.Equal("""["1"]""", metadata["versions"]!.ToJsonString());
        Assert.Equal("""{"name":"x","datatype":"FP32","shape":[-1,-1]}""", metadata["inputs"]![0]!.ToJsonString());
        Assert.Equal("""{"name":"u","datatype":"BYTES","shape":[-1]}""", metadata["outputs"]![1]!.ToJsonString());
        Assert.Equal("TYPE_FP32", config["input"]![0]!["data_type"]!.GetValue<string>());
        Assert.Equal("TYPE_STRING", config["output"]![1]!["data_type"]!.GetValue<string>());
        Assert.True((await Server.GetAsync("/v2/models/metadata/ready", Cancelled))["ready"]!.GetValue<bool>());
        Assert.Empty(await Server.InstancesAsync("metadata", Cancelled));
    }

    [Fact]
    public async Task A_version_in_the_path_is_that_revision_and_an_unknown_one_is_not_found()
    {
        await Server.DeployAsync("versions", [("model.onnx", SmallModels.Plus(1))], Cancelled);
        await Server.DeployAsync("versions", [("model.onnx", SmallModels.Plus(2))], Cancelled);

        Assert.Equal(new PlusCall(1, 1), await PlusCall.SendAsync(Server, "versions", 0, Cancelled, version: "1"));
        Assert.Equal(new PlusCall(2, 2), await PlusCall.SendAsync(Server, "versions", 0, Cancelled, version: "2"));
        Assert.Equal(new PlusCall(2, 2), await PlusCall.SendAsync(Server, "versions", 0, Cancelled));
        using var unknown = await Server.PostAsync("/v2/models/versions/versions/9/infer", PlusCall.Body(0), Cancelled);
        await AssertProblemAsync(unknown, HttpStatusCode.NotFound, "revision_not_found");
    }

    [Fact]
    public async Task An_unloaded_model_is_listed_refuses_calls_and_comes_back_by_load()
    {
        await Server.DeployAsync("unloaded", [("model.onnx", SmallModels.Plus(1))], Cancelled);
        await PlusCall.SendAsync(Server, "unloaded", 0, Cancelled);

        using var unload = await Server.PostAsync("/v2/repository/models/unloaded/unload", null, Cancelled);
        Assert.True(unload.IsSuccessStatusCode);
        Assert.Equal("UNAVAILABLE", await StateAsync("unloaded"));
        Assert.DoesNotContain("unloaded", (await IndexAsync(ready: true)).Select(r => r!["name"]!.GetValue<string>()));
        using var notReady = await Server.Http.GetAsync(new Uri("/v2/models/unloaded/ready", UriKind.Relative), Cancelled);
        Assert.Equal(HttpStatusCode.BadRequest, notReady.StatusCode);
        using var refused = await Server.PostAsync("/v2/models/unloaded/infer", PlusCall.Body(0), Cancelled);
        await AssertProblemAsync(refused, HttpStatusCode.ServiceUnavailable, "endpoint_unloaded");
        await Waiting.UntilAsync(async () => (await Server.InstancesAsync("unloaded", Cancelled)).Count == 0, "its instance has ended", Cancelled);

        using var load = await Server.PostAsync("/v2/repository/models/unloaded/load", null, Cancelled);
        Assert.True(load.IsSuccessStatusCode);
        Assert.Equal("READY", await StateAsync("unloaded"));
        Assert.Equal(1, (await PlusCall.SendAsync(Server, "unloaded", 0, Cancelled)).Value);
    }

    [Theory]
    [InlineData("{\"parameters\":{\"config\":\"{}\"}}")]
    [InlineData("{\"parameters\":{\"file:1/model.onnx\":\"AAAA\"}}")]
    public async Task A_load_that_brings_a_model_is_not_supported(string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await Server.Http.PostAsync(new Uri("/v2/repository/models/plus/load", UriKind.Relative), content, Cancelled);

        await AssertProblemAsync(response, HttpStatusCode.NotImplemented, "not_supported");
    }

    [Fact]
    public async Task Statistics_count_what_went_well_and_what_failed()
    {
        await Server.DeployAsync("counted", [("model.onnx", SmallModels.Plus(1))], Cancelled);
        for (var i = 0; i < 3; i++)
        {
            await PlusCall.SendAsync(Server, "counted", i, Cancelled);
        }

        using var failed = await Server.PostAsync("/v2/models/counted/infer", new JsonObject { ["inputs"] = new JsonArray() }, Cancelled);
        Assert.Equal(HttpStatusCode.BadRequest, failed.StatusCode);

        var stats = (await Server.GetAsync("/v2/models/counted/stats", Cancelled))["model_stats"]![0]!;
        Assert.Equal(3, stats["inference_count"]!.GetValue<long>());
        Assert.Equal(3, stats["inference_stats"]!["success"]!["count"]!.GetValue<long>());
        Assert.Equal(1, stats["inference_stats"]!["fail"]!["count"]!.GetValue<long>());
        Assert.True(stats["inference_stats"]!["compute_infer"]!["ns"]!.GetValue<long>() > 0);
    }

    [Theory]
    [InlineData("POST", "/v2/models/plus/generate", 501)]
    [InlineData("POST", "/v2/models/plus/generate_stream", 501)]
    [InlineData("GET", "/v2/systemsharedmemory/status", 501)]
    [InlineData("POST", "/v2/cudasharedmemory/region/r/register", 501)]
    [InlineData("GET", "/v2/models/plus/infer", 405)]
    [InlineData("POST", "/v2/models/plus", 405)]
    [InlineData("GET", "/v2/models/nobody", 404)]
    [InlineData("POST", "/v2/models/nobody/infer", 404)]
    [InlineData("GET", "/v2/models/plus/nothing", 404)]
    [InlineData("GET", "/v2/nothing", 404)]
    public async Task Every_refusal_has_an_error_member(string method, string path, int status)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await Server.Http.SendAsync(request, Cancelled);

        await AssertProblemAsync(response, (HttpStatusCode)status, code: null);
    }

    [Theory]
    [InlineData("GET", "/v2", 401)]
    [InlineData("GET", "/v2/models", 401)]
    [InlineData("GET", "/v2/models/plus", 401)]
    [InlineData("GET", "/v2/models/nobody", 401)]
    [InlineData("POST", "/v2/models/plus/infer", 401)]
    [InlineData("POST", "/v2/models/nobody/infer", 401)]
    [InlineData("POST", "/v2/repository/index", 401)]
    [InlineData("POST", "/v2/repository/models/plus/unload", 401)]
    [InlineData("POST", "/invoke/plus", 401)]
    [InlineData("GET", "/api/v1/endpoints", 401)]
    [InlineData("GET", "/v2/health/live", 200)]
    [InlineData("GET", "/v2/health/ready", 200)]
    public async Task Without_a_key_only_health_answers(string method, string path, int status)
    {
        using var http = new HttpClient { BaseAddress = Server.Address };
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await http.SendAsync(request, Cancelled);

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task A_public_endpoint_answers_anybody()
    {
        await Server.DeployAsync("open", [("model.onnx", SmallModels.Plus(1))], Cancelled, new() { ["public"] = true });
        using var http = new HttpClient { BaseAddress = Server.Address };
        using var content = new StringContent(PlusCall.Body(1).ToJsonString(), Encoding.UTF8, "application/json");

        using var response = await http.PostAsync(new Uri("/v2/models/open/infer", UriKind.Relative), content, Cancelled);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    private static async Task AssertProblemAsync(HttpResponseMessage response, HttpStatusCode status, string? code)
    {
        var text = await response.Content.ReadAsStringAsync(Cancelled);
        Assert.True(status == response.StatusCode, $"{(int)response.StatusCode}: {text}");
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        var problem = JsonNode.Parse(text)!;
        Assert.NotEmpty(problem["error"]!.GetValue<string>());
        if (code is not null)
        {
            Assert.Equal(code, problem["code"]!.GetValue<string>());
        }
    }

    private async Task<JsonArray> IndexAsync(bool ready)
    {
        using var response = await Server.PostAsync("/v2/repository/index", new JsonObject { ["ready"] = ready }, Cancelled);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancelled))!.AsArray();
    }

    private async Task<string> StateAsync(string name) => (await IndexAsync(ready: false)).Single(r => r!["name"]!.GetValue<string>() == name)!["state"]!.GetValue<string>();
}
