using System.Text;
using System.Text.Json.Nodes;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Requests that are well-formed and do not fit the model: 400 on this protocol, with the tensor, what came and what is wanted.</summary>
public sealed class TensorTests(HostileServer hostile) : HostileTests(hostile)
{
    private const string A = """{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2]}""";
    private const string T = """{"name":"t","datatype":"BYTES","shape":[1],"data":["x"]}""";

    [Theory]
    [InlineData("""{"name":"z","datatype":"FP32","shape":[1,2],"data":[1,2]}""", "'z'", "'a'")]
    [InlineData("""{"name":"a","datatype":"INT32","shape":[1,2],"data":[1,2]}""", "'INT32'", "'FP32'")]
    [InlineData("""{"name":"a","datatype":"FP33","shape":[1,2],"data":[1,2]}""", "'FP33'", "'a'")]
    [InlineData("""{"name":"a","datatype":"FP32","shape":[2],"data":[1,2]}""", "[-1,2]", "[2]")]
    [InlineData("""{"name":"a","datatype":"FP32","shape":[1,3],"data":[1,2,3]}""", "[-1,2]", "[1,3]")]
    [InlineData("""{"name":"a","datatype":"FP32","shape":[1,2,1],"data":[1,2]}""", "[-1,2]", "[1,2,1]")]
    [InlineData("""{"name":"a","datatype":"FP32","shape":[2,2],"data":[1,2,3]}""", "'a'", "needs 4 elements")]
    [InlineData("""{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2,3]}""", "'a'", "needs 2 elements")]
    [InlineData("""{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,"2"]}""", "'a'", "element 1")]
    [InlineData("""{"name":"a","datatype":"FP32","shape":[4611686018427387904,2],"data":[1,2]}""", "'a'", "more elements than")]
    [InlineData("""{"name":"a","datatype":"FP32","shape":[100000000000,2],"data":[1,2]}""", "'a'", "200000000000")]
    public async Task A_tensor_that_does_not_fit_is_named(string tensor, string first, string second)
    {
        await DeployAsync("pair", HostileModels.Pair());
        await Refusal.AssertAsync(await InferAsync("pair", $$"""{"inputs":[{{tensor}},{{T}}]}"""), 400, "input_invalid", "'pair'", first, second);
    }

    [Theory]
    [InlineData("[]", "expected 2 inputs but got 0")]
    [InlineData($"[{A}]", "Missing: 't'")]
    [InlineData($"[{A},{T},{A}]", "'a' is given twice")]
    [InlineData($$"""[{{A}},{{T}},{"name":"z","datatype":"FP32","shape":[1],"data":[1]}]""", "'z'")]
    public async Task A_wrong_count_of_inputs_is_refused(string inputs, string word)
    {
        await DeployAsync("pair", HostileModels.Pair());
        await Refusal.AssertAsync(await InferAsync("pair", $$"""{"inputs":{{inputs}}}"""), 400, "input_invalid", "'pair'", word);
    }

    [Fact]
    public async Task An_output_that_the_model_does_not_give_is_named()
    {
        await DeployAsync("pair", HostileModels.Pair());
        await Refusal.AssertAsync(await InferAsync("pair", $$"""{"inputs":[{{A}},{{T}}],"outputs":[{"name":"nothing"}]}"""), 400, "input_invalid", "'nothing'", "'b'");
    }

    [Theory]
    [InlineData(8, 7, "1 additional bytes")]
    [InlineData(8, 0, "8 additional bytes")]
    [InlineData(8, 9, "1 bytes are left")]
    [InlineData(7, 7, "total byte size 7", "expecting 8")]
    [InlineData(16, 16, "total byte size 16", "expecting 8")]
    public async Task Missing_and_surplus_binary_bytes_are_counted(int declared, int sent, params string[] words)
    {
        await DeployAsync("line", HostileModels.Line());
        var json = Encoding.UTF8.GetBytes($$$"""{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":{{{declared}}}}}]}""");
        await Refusal.AssertAsync(
            await InferAsync("line", [.. json, .. new byte[sent]], $"{json.Length}", "application/octet-stream"), 400, "input_invalid", ["'line'", .. words]);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("1e2")]
    [InlineData("99999999999999999999")]
    [InlineData("100000")]
    [InlineData("5")]
    public async Task A_wrong_length_of_the_JSON_part_is_refused(string length)
    {
        await DeployAsync("line", HostileModels.Line());
        var json = Encoding.UTF8.GetBytes("""{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":8}}]}""");
        await Refusal.AssertAsync(await InferAsync("line", [.. json, .. new byte[8]], length, "application/octet-stream"), 400, "request_invalid");
    }

    [Theory]
    [InlineData(new byte[] { 5, 0, 0, 0, 65 })]
    [InlineData(new byte[] { 255, 255, 255, 255, 65 })]
    [InlineData(new byte[] { 1, 0, 0, 0, 65, 66 })]
    [InlineData(new byte[] { 1, 0 })]
    public async Task Texts_whose_lengths_do_not_fit_are_refused(byte[] text)
    {
        await DeployAsync("pair", HostileModels.Pair());
        var json = Encoding.UTF8.GetBytes(new JsonObject
        {
            ["inputs"] = new JsonArray(JsonNode.Parse(A), JsonNode.Parse($$$"""{"name":"t","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":{{{text.Length}}}}}""")),
        }.ToJsonString());
        await Refusal.AssertAsync(await InferAsync("pair", [.. json, .. text], $"{json.Length}", "application/octet-stream"), 400, "input_invalid", "'t'", "'pair'");
    }

    [Fact]
    public async Task A_raw_request_whose_size_is_no_multiple_of_an_element_is_refused()
    {
        await DeployAsync("line", HostileModels.Line());
        await Refusal.AssertAsync(await InferAsync("line", new byte[7], "0", "application/octet-stream"), 400, "input_invalid", "7 bytes", "'x'");
    }
}
