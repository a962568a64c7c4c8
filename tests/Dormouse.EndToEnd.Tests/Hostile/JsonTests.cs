using System.Net.Http.Headers;
using System.Text;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Malformed JSON of every kind, at the inference address and at the control plane.</summary>
public sealed class JsonTests(HostileServer hostile) : HostileTests(hostile)
{
    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("nonsense")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("1")]
    [InlineData("{")]
    [InlineData("{}{}")]
    [InlineData("{} trailing")]
    [InlineData("{'inputs':[]}")]
    [InlineData("{inputs:[]}")]
    [InlineData("{/* no */}")]
    [InlineData("""{"inputs":null}""")]
    [InlineData("""{"inputs":{}}""")]
    [InlineData("""{"inputs":[1]}""")]
    [InlineData("""{"inputs":[{}]}""")]
    [InlineData("""{"inputs":[],"inputs":[]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]},]}""")]
    [InlineData("""{"inputs":[{"name":1,"datatype":"FP32","shape":[1],"data":[1]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"FP32","shape":"1","data":[1]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"FP32","shape":[1.5],"data":[1]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"outputs":{}}""")]
    public async Task A_request_that_is_no_JSON_request_is_refused(string body)
    {
        await DeployAsync("line", HostileModels.Line());
        await Refusal.AssertAsync(await InferAsync("line", body), 400, "request_invalid", "'line'");
    }

    [Theory]
    [InlineData("[1,,2]")]
    [InlineData("[1,2")]
    [InlineData("[1,2]]")]
    [InlineData("[1 2]")]
    [InlineData("[NaN,2]")]
    [InlineData("[Infinity,2]")]
    [InlineData("[01,2]")]
    [InlineData("[+1,2]")]
    [InlineData("[0x1,2]")]
    [InlineData("[1e999,2]")]
    [InlineData("[null,2]")]
    [InlineData("[\"1\",2]")]
    [InlineData("{\"0\":1}")]
    public async Task Data_that_is_no_array_of_numbers_is_refused(string data)
    {
        await DeployAsync("line", HostileModels.Line());
        using var response = await InferAsync("line", $$"""{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":{{data}}}]}""");

        // Which of the two depends on where reading stopped making sense; both are the caller's.
        var body = await response.Content.ReadAsStringAsync(Cancelled);
        await Refusal.AssertAsync(response, 400, body.Contains("request_invalid", StringComparison.Ordinal) ? "request_invalid" : "input_invalid", "'line'");
    }

    [Fact]
    public async Task Bytes_that_are_no_UTF_8_are_refused()
    {
        await DeployAsync("line", HostileModels.Line());
        await Refusal.AssertAsync(await InferAsync("line", [.. "{\"id\":\""u8, 0xFF, 0xFE, .. "\",\"inputs\":[]}"u8]), 400, "request_invalid", "UTF-8");
    }

    [Fact]
    public async Task Nesting_without_end_is_refused()
    {
        await DeployAsync("line", HostileModels.Line());
        await Refusal.AssertAsync(await InferAsync("line", "{\"inputs\":" + new string('[', 500_000)), 400, "request_invalid", "'line'");
    }

    [Theory]
    [InlineData("br", 415, "media_type_unsupported")]
    [InlineData("gzip", 400, "request_invalid")]
    [InlineData("deflate", 400, "request_invalid")]
    public async Task A_body_that_is_not_packed_as_it_says_is_refused(string encoding, int status, string code)
    {
        await DeployAsync("line", HostileModels.Line());
        var content = new StringContent("""{"inputs":[]}""", Encoding.UTF8, "application/json");
        content.Headers.ContentEncoding.Add(encoding);
        await Refusal.AssertAsync(await Server.Http.PostAsync(new Uri("/v2/models/line/infer", UriKind.Relative), content, Cancelled), status, code, encoding);
    }

    [Theory]
    [InlineData("POST", "/api/v1/endpoints/json/revisions")]
    [InlineData("PATCH", "/api/v1/endpoints/neighbour")]
    [InlineData("PUT", "/api/v1/endpoints/neighbour/traffic")]
    [InlineData("POST", "/api/v1/endpoints/neighbour/rollback")]
    [InlineData("POST", "/api/v1/keys")]
    public async Task The_control_plane_refuses_what_is_no_JSON_object(string method, string path)
    {
        foreach (var body in (string[])["nonsense", "null", "[]", "1", "{", "{}}", "{\"a\":}", "{'a':1}", "\"text\"", new string('[', 10_000)])
        {
            await Refusal.AssertAsync(await SendAsync(method, path, body), 400, "request_invalid");
        }
    }

    [Theory]
    [InlineData("POST", "/api/v1/endpoints/json/revisions", """{"files":null}""")]
    [InlineData("POST", "/api/v1/endpoints/json/revisions", """{"files":[null]}""")]
    [InlineData("POST", "/api/v1/endpoints/json/revisions", """{"files":{}}""")]
    [InlineData("POST", "/api/v1/endpoints/json/revisions", """{"files":[{"path":"m.onnx","sha256":1,"size_bytes":1}]}""")]
    [InlineData("POST", "/api/v1/endpoints/json/revisions", """{"files":[],"settings":null}""")]
    [InlineData("POST", "/api/v1/endpoints/json/revisions", """{"files":[],"settings":{"environment":{"A":null}}}""")]
    [InlineData("PUT", "/api/v1/endpoints/neighbour/traffic", """{"traffic":null}""")]
    [InlineData("PUT", "/api/v1/endpoints/neighbour/traffic", """{"traffic":{"r1":"all"}}""")]
    [InlineData("PUT", "/api/v1/endpoints/neighbour/traffic", """{"traffic":{"r1":99999999999}}""")]
    [InlineData("POST", "/api/v1/keys", """{"name":5}""")]
    public async Task The_control_plane_refuses_values_of_the_wrong_kind(string method, string path, string body) =>
        await Refusal.AssertAsync(await SendAsync(method, path, body), 400, "request_invalid");

    [Theory]
    [InlineData("""{"traffic":{"r1":50}}""")]
    [InlineData("""{"traffic":{"r99":100}}""")]
    [InlineData("""{"traffic":{"r1":-1,"r2":101}}""")]
    [InlineData("""{"traffic":{"../r1":100}}""")]
    [InlineData("""{"traffic":{}}""")]
    public async Task Traffic_that_does_not_add_up_is_refused(string body)
    {
        using var response = await SendAsync("PUT", "/api/v1/endpoints/neighbour/traffic", body);
        Assert.InRange((int)response.StatusCode, 404, 422);
        await Refusal.AssertAsync(response, (int)response.StatusCode, (int)response.StatusCode == 404 ? "revision_not_found" : "spec_invalid");
    }

    private Task<HttpResponseMessage> SendAsync(string method, string path, string body)
    {
        var content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        return Server.Http.SendAsync(new HttpRequestMessage(new HttpMethod(method), path) { Content = content }, Cancelled);
    }
}
