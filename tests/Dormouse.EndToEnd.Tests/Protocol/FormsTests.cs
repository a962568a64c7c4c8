using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.EndToEnd.Tests.Protocol;

/// <summary>The same tensor in every form that the protocol has, and what a request may ask of its answer.</summary>
public sealed class FormsTests(EchoFixture fixture) : IClassFixture<EchoFixture>
{
    private const string LengthHeader = "Inference-Header-Content-Length";

    private static readonly float[] Numbers = [1.5f, -2.25f, 3e-7f, 4e9f, 0f, 0.1f];
    private static readonly string[] Texts = ["dormouse", "", "Siebenschläfer 🐭"];
    private static readonly JsonArray Nested = new(new JsonArray(1.5f, -2.25f, 3e-7f), new JsonArray(4e9f, 0f, 0.1f));
    private static readonly JsonArray Flat = [.. Numbers.Select(n => (JsonNode)n)];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    private static Tensor X => new("x", "FP32", [2, 3], [.. Numbers.SelectMany(BitConverter.GetBytes)]);

    private static Tensor T => new("t", "BYTES", [3], [], Texts);

    [Fact]
    public async Task Nested_flat_binary_typed_and_raw_give_equal_answers()
    {
        var nested = await JsonAsync(Request(Nested));
        var flat = await JsonAsync(Request(Flat));
        var binary = await InferCall.SendAsync(Server, "echo", [X, T], binary: true, Cancelled);
        using var grpc = new GrpcCaller(Server);
        var typed = await grpc.InferAsync(GrpcRequests.Typed("echo", Numbers, [2, 3], Texts), Cancelled);
        var raw = await grpc.InferAsync(GrpcRequests.Raw("echo", X, T), Cancelled);

        Assert.All([nested, flat], answer =>
        {
            Assert.Equal(Numbers, answer["outputs"]![0]!["data"]!.AsArray().Select(n => n!.GetValue<float>()));
            Assert.Equal("[2,3]", answer["outputs"]![0]!["shape"]!.ToJsonString());
            Assert.Equal(Texts, answer["outputs"]![1]!["data"]!.AsArray().Select(n => n!.GetValue<string>()));
        });
        Assert.Equal(X.Raw, binary["y"].Raw);
        Assert.Equal(Texts, binary["u"].Texts);
        Assert.All([typed, raw], answer =>
        {
            Assert.Equal(["y", "u"], answer.Outputs.Select(o => o.Name));
            Assert.Equal(X.Raw, answer.RawOutputContents[0].ToByteArray());
            Assert.Equal(T.Wire, answer.RawOutputContents[1].ToByteArray());
        });
    }

    [Fact]
    public async Task One_output_as_json_and_one_in_binary_travel_in_one_answer()
    {
        var request = Request(Flat);
        request["outputs"] = new JsonArray(
            new JsonObject { ["name"] = "u" },
            new JsonObject { ["name"] = "y", ["parameters"] = new JsonObject { ["binary_data"] = true } });

        using var response = await Server.PostAsync("/v2/models/echo/infer", request, Cancelled);
        var body = await response.Content.ReadAsByteArrayAsync(Cancelled);

        var length = int.Parse(response.Headers.GetValues(LengthHeader).Single(), System.Globalization.CultureInfo.InvariantCulture);
        var outputs = JsonNode.Parse(body.AsSpan(0, length))!["outputs"]!.AsArray();
        Assert.Equal("application/octet-stream", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal(["u", "y"], outputs.Select(o => o!["name"]!.GetValue<string>()));
        Assert.Equal(Texts, outputs[0]!["data"]!.AsArray().Select(n => n!.GetValue<string>()));
        Assert.Equal(24, outputs[1]!["parameters"]!["binary_data_size"]!.GetValue<int>());
        Assert.Equal(X.Raw, body[length..]);
    }

    [Fact]
    public async Task Bytes_with_a_zero_survive_binary_and_are_refused_as_json_when_they_are_no_text()
    {
        byte[] element = [0, 1, 0xFF, 0, 0xC3];
        byte[] wire = [.. BitConverter.GetBytes(element.Length), .. element];
        var json = Encoding.UTF8.GetBytes(new JsonObject
        {
            ["inputs"] = new JsonArray(
                new JsonObject { ["name"] = "x", ["shape"] = new JsonArray(1, 1), ["datatype"] = "FP32", ["data"] = new JsonArray(1) },
                new JsonObject { ["name"] = "t", ["shape"] = new JsonArray(1), ["datatype"] = "BYTES", ["parameters"] = new JsonObject { ["binary_data_size"] = wire.Length } }),
            ["outputs"] = new JsonArray(new JsonObject { ["name"] = "u", ["parameters"] = new JsonObject { ["binary_data"] = true } }),
        }.ToJsonString());

        var (response, body) = await BinaryAsync("echo", json, wire);
        var length = int.Parse(response.Headers.GetValues(LengthHeader).Single(), System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(wire, body[length..]);

        var asJson = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(json).Replace("\"binary_data\":true", "\"binary_data\":false", StringComparison.Ordinal));
        var (refused, problem) = await BinaryAsync("echo", asJson, wire);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Equal("output_not_json", JsonNode.Parse(problem)!["code"]!.GetValue<string>());
        Assert.Contains("binary", JsonNode.Parse(problem)!["error"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_raw_binary_request_is_the_only_inputs_bytes()
    {
        using var content = new ByteArrayContent(BitConverter.GetBytes(2.5f)) { Headers = { ContentType = new("application/octet-stream") } };
        content.Headers.Add(LengthHeader, "0");

        using var response = await Server.Http.PostAsync(new Uri("/v2/models/plus/infer", UriKind.Relative), content, Cancelled);
        var body = await response.Content.ReadAsByteArrayAsync(Cancelled);

        Assert.True(response.IsSuccessStatusCode, Encoding.UTF8.GetString(body));
        Assert.Equal(102.5f, BitConverter.ToSingle(body.AsSpan(^4..)));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task Bodies_travel_compressed_both_ways(string coding)
    {
        var numbers = Enumerable.Repeat(7f, 20_000).ToArray();
        var request = Request([.. numbers.Select(n => (JsonNode)n)]);
        request["inputs"]![0]!["shape"] = new JsonArray(2, 10_000);
        using var content = new ByteArrayContent(Compress(Encoding.UTF8.GetBytes(request.ToJsonString()), coding)) { Headers = { ContentType = new("application/json") } };
        content.Headers.ContentEncoding.Add(coding);
        using var message = new HttpRequestMessage(HttpMethod.Post, "/v2/models/echo/infer") { Content = content };
        message.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue(coding));

        using var response = await Server.Http.SendAsync(message, Cancelled);

        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancelled));
        Assert.Equal([coding], response.Content.Headers.ContentEncoding);
        await using var body = await response.Content.ReadAsStreamAsync(Cancelled);
        await using Stream plain = coding == "gzip" ? new GZipStream(body, CompressionMode.Decompress) : new ZLibStream(body, CompressionMode.Decompress);
        var answer = (await JsonNode.ParseAsync(plain, cancellationToken: Cancelled))!;
        Assert.Equal(numbers, answer["outputs"]![0]!["data"]!.AsArray().Select(n => n!.GetValue<float>()));
    }

    [Fact]
    public async Task Id_chosen_outputs_and_parameters_are_heeded()
    {
        var request = Request(Flat);
        request["id"] = "call-17";
        request["parameters"] = new JsonObject { ["sequence_id"] = 3, ["priority"] = 1, ["of_the_caller"] = "x" };
        request["outputs"] = new JsonArray(new JsonObject { ["name"] = "u" });

        var answer = await JsonAsync(request);

        Assert.Equal("call-17", answer["id"]!.GetValue<string>());
        Assert.Equal(["u"], answer["outputs"]!.AsArray().Select(o => o!["name"]!.GetValue<string>()));
        Assert.Null((await JsonAsync(Request(Flat)))["id"]);
    }

    [Theory]
    [InlineData("\"outputs\":[{\"name\":\"w\"}]", "w")]
    [InlineData("\"parameters\":{\"triton_x\":1}", "triton_x")]
    public async Task What_cannot_be_asked_is_refused_by_name(string member, string named)
    {
        var text = Request(Flat).ToJsonString();
        using var content = new StringContent("{" + member + "," + text[1..], Encoding.UTF8, "application/json");

        using var response = await Server.Http.PostAsync(new Uri("/v2/models/echo/infer", UriKind.Relative), content, Cancelled);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(named, JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancelled))!["error"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Classification_answers_the_best_with_their_labels()
    {
        var answer = await PostAsync("digits", new JsonObject
        {
            ["inputs"] = new JsonArray(JsonNode.Parse(Digits.Input(20).Json(binary: false))),
            ["outputs"] = new JsonArray(new JsonObject { ["name"] = "scores", ["parameters"] = new JsonObject { ["classification"] = 3 } }),
        });
        var scores = (await InferCall.SendAsync(Server, "digits", [Digits.Input(20)], binary: true, Cancelled))["scores"].Doubles();

        var best = scores.Select((score, index) => (score, index)).OrderByDescending(s => s.score).Take(3).Select(s => s.index).ToArray();
        var output = answer["outputs"]![0]!;
        Assert.Equal("BYTES", output["datatype"]!.GetValue<string>());
        var parts = output["data"]!.AsArray().Select(d => d!.GetValue<string>().Split(':')).ToArray();
        Assert.Equal(best.Select(b => $"{b}"), parts.Select(p => p[1]));
        Assert.Equal(best.Select(b => $"{b}"), parts.Select(p => p[2]));
    }

    [Theory]
    [InlineData(Onnx.Float16, "FP16")]
    [InlineData(Onnx.Bfloat16, "BF16")]
    public async Task Halves_travel_in_binary_and_are_refused_in_json_both_ways_with_the_documented_words(int type, string datatype)
    {
        var endpoint = datatype.ToLowerInvariant();
        await Server.DeployAsync(endpoint, [("model.onnx", Onnx.Identity(type, 2))], Cancelled);
        var half = new Tensor("x", datatype, [2], [0x00, 0x3C, 0x00, 0x40]);

        var binary = await InferCall.SendAsync(Server, endpoint, [half], binary: true, Cancelled);
        using var inJson = await Server.PostAsync(
            $"/v2/models/{endpoint}/infer",
            new JsonObject { ["inputs"] = new JsonArray(new JsonObject { ["name"] = "x", ["shape"] = new JsonArray(2), ["datatype"] = datatype, ["data"] = new JsonArray(1, 2) }) },
            Cancelled);
        var asked = Encoding.UTF8.GetBytes($$$"""{"inputs":[{"name":"x","shape":[2],"datatype":"{{{datatype}}}","parameters":{"binary_data_size":4}}]}""");
        var (outJson, problem) = await BinaryAsync(endpoint, asked, half.Raw);

        Assert.Equal(half.Raw, binary["y"].Raw);
        Assert.Equal(HttpStatusCode.BadRequest, inJson.StatusCode);
        Assert.Equal(
            $"receiving {datatype} data via JSON is not supported. Please use the binary data format for input x",
            JsonNode.Parse(await inJson.Content.ReadAsStringAsync(Cancelled))!["error"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.BadRequest, outJson.StatusCode);
        Assert.Equal("output_not_json", JsonNode.Parse(problem)!["code"]!.GetValue<string>());
    }

    private static JsonObject Request(JsonArray data) => new()
    {
        ["inputs"] = new JsonArray(
            new JsonObject { ["name"] = "x", ["shape"] = new JsonArray(2, 3), ["datatype"] = "FP32", ["data"] = data.DeepClone() },
            JsonNode.Parse(T.Json(binary: false))),
    };

    private static byte[] Compress(byte[] body, string coding)
    {
        using var compressed = new MemoryStream();
        using (Stream stream = coding == "gzip" ? new GZipStream(compressed, CompressionLevel.Fastest) : new ZLibStream(compressed, CompressionLevel.Fastest))
        {
            stream.Write(body);
        }

        return compressed.ToArray();
    }

    private Task<JsonNode> JsonAsync(JsonObject request) => PostAsync("echo", request);

    private async Task<JsonNode> PostAsync(string endpoint, JsonObject request)
    {
        using var response = await Server.PostAsync($"/v2/models/{endpoint}/infer", request, Cancelled);
        var text = await response.Content.ReadAsStringAsync(Cancelled);
        Assert.True(response.IsSuccessStatusCode, text);
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        Assert.False(response.Headers.Contains(LengthHeader));
        return JsonNode.Parse(text)!;
    }

    private async Task<(HttpResponseMessage Response, byte[] Body)> BinaryAsync(string endpoint, byte[] json, byte[] tensors)
    {
        using var content = new ByteArrayContent([.. json, .. tensors]) { Headers = { ContentType = new("application/octet-stream") } };
        content.Headers.Add(LengthHeader, $"{json.Length}");
        var response = await Server.Http.PostAsync(new Uri($"/v2/models/{endpoint}/infer", UriKind.Relative), content, Cancelled);
        return (response, await response.Content.ReadAsByteArrayAsync(Cancelled));
    }
}
