using System.Text;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Tests.Inference;

/// <summary>The Open Inference Protocol's rules for requests, one by one.</summary>
public sealed class ProtocolRulesTests
{
    private static readonly ModelInterface Two = Requests.Model(Requests.Tensor("a", "FP32", -1, 2), Requests.Tensor("b", "INT64", -1));

    private const string A = """{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2]}""";
    private const string B = """{"name":"b","datatype":"INT64","shape":[1],"data":[3]}""";

    [Fact]
    public void A_request_is_read_with_id_parameters_and_outputs_in_their_order()
    {
        using var request = Requests.Json(
            $$$"""{"id":"42","parameters":{"s":"t","n":1.5,"i":-3,"u":18446744073709551615,"f":true,"binary_data_output":true},"inputs":[{{{B}}},{{{A}}}],"outputs":[{"name":"z","parameters":{"binary_data":false}},{"name":"y","parameters":{"classification":3}}],"more":[1]}""",
            Two);

        Assert.Equal("42", request.Id);
        Assert.Equal(["b", "a"], request.Inputs.Select(i => i.Name));
        Assert.Equal([new RequestedOutput("z", false), new RequestedOutput("y", null, 3)], request.Outputs);
        Assert.Equal(new ParameterValue.Text("t"), request.Parameters["s"]);
        Assert.Equal(new ParameterValue.Number(1.5), request.Parameters["n"]);
        Assert.Equal(new ParameterValue.Integer(-3), request.Parameters["i"]);
        Assert.Equal(new ParameterValue.Unsigned(ulong.MaxValue), request.Parameters["u"]);
        Assert.Equal(new ParameterValue.Flag(true), request.Parameters["f"]);
        Assert.False(request.WantsBinary(request.Outputs[0]));
        Assert.True(request.WantsBinary(request.Outputs[1]));
        Assert.True(request.WantsBinary(null));
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    public void Without_id_and_outputs_there_is_no_id_and_all_outputs_are_meant(string outputs)
    {
        using var request = Requests.Json($$"""{"id":null,"parameters":null,"outputs":{{outputs}},"inputs":[{{A}},{{B}}]}""", Two);

        Assert.Null(request.Id);
        Assert.Empty(request.Outputs);
        Assert.Empty(request.Parameters);
        Assert.False(request.WantsBinary(null));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"inputs":[]}""")]
    public void A_model_without_inputs_is_called_without_inputs(string json)
    {
        using var request = Requests.Json(json, Requests.Model());

        Assert.Empty(request.Inputs);
    }

    [Theory]
    [InlineData("INT64", "9007199254740993", 9007199254740993L)]
    [InlineData("INT64", "-9223372036854775808", long.MinValue)]
    [InlineData("INT64", "9223372036854775807", long.MaxValue)]
    [InlineData("INT64", "-0", 0L)]
    public void Whole_numbers_above_two_to_the_53_keep_their_value(string datatype, string text, long expected)
    {
        using var request = Requests.Json(Requests.One(datatype, "[1]", $"[{text}]"), Requests.Model(Requests.Tensor("x", datatype, -1)));

        Assert.Equal(expected, BitConverter.ToInt64(request.Inputs[0].Data.Span));
    }

    [Fact]
    public void The_largest_unsigned_number_keeps_its_value()
    {
        using var request = Requests.Json(Requests.One("UINT64", "[1]", "[18446744073709551615]"), Requests.Model(Requests.Tensor("x", "UINT64", -1)));

        Assert.Equal(ulong.MaxValue, BitConverter.ToUInt64(request.Inputs[0].Data.Span));
    }

    [Fact]
    public void Texts_are_unescaped_and_not_base64()
    {
        using var request = Requests.Json(Requests.One("BYTES", "[3]", """["aGk=","\u00e9\ud83d\udc2d\n\"\/\\","\u0000"]"""), Requests.Model(Requests.Tensor("x", "BYTES", -1)));

        var strings = request.Inputs[0].Strings!;
        Assert.Equal("aGk="u8, strings[0]);
        Assert.Equal("é🐭\n\"/\\"u8, strings[1]);
        Assert.Equal("\0"u8, strings[2]);
    }

    [Theory]
    [InlineData("FP16")]
    [InlineData("BF16")]
    public void Sixteen_bit_floats_are_refused_in_JSON_with_the_documented_words(string datatype)
    {
        var refusal = Requests.Refused(() => Requests.Json(Requests.One(datatype, "[1]", "[1]"), Requests.Model(Requests.Tensor("x", datatype, -1))), ProblemCode.InputInvalid);

        Assert.Equal($"receiving {datatype} data via JSON is not supported. Please use the binary data format for input x", refusal.Message);
    }

    [Theory]
    [InlineData($$"""{"inputs":[{{A}}]}""", "expected 2 inputs but got 1 inputs for model 'm'. Missing: 'b'")]
    [InlineData($$"""{"inputs":[{{A}},{{B}},{"name":"c","datatype":"FP32","shape":[1],"data":[1]}]}""", "unexpected inference input 'c' for model 'm'; it takes 'a', 'b'")]
    [InlineData($$"""{"inputs":[{{A}},{{A}}]}""", "input 'a' is given twice for model 'm'")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP64","shape":[1,2],"data":[1,2]}]}""", "inference input 'a' data-type is 'FP64', but model 'm' expects 'FP32'")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"fp32","shape":[1,2],"data":[1,2]}]}""", "datatype 'fp32' of input 'a' for model 'm' is not known; use one of BOOL, UINT8")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]}""", "unexpected shape for input 'a' for model 'm'. Expected [-1,2], got [1,3]")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[2],"data":[1,2]}]}""", "unexpected shape for input 'a' for model 'm'. Expected [-1,2], got [2]")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[-1,2],"data":[1,2]}]}""", "shape [-1,2] of input 'a' for model 'm' has a negative dimension")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[9223372036854775807,2],"data":[1,2]}]}""", "has more elements than a tensor can hold")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[2,2],"data":[1,2,3]}]}""", "input 'a' for model 'm': shape [2,2] needs 4 elements, 'data' holds fewer")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2,3]}]}""", "input 'a' for model 'm': shape [1,2] needs 2 elements, 'data' goes on with ','")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[2,2],"data":[[1,2],[3]]}]}""", "shape [2,2] needs 4 elements")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[2,2],"data":[[1,2],3,4]}]}""", "'data' must be flat or nested to shape [2,2]")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[2,2],"data":[[1,2,3,4]]}]}""", "shape [2,2] needs 4 elements")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2],"parameters":{"binary_data_size":8}}]}""", "input 'a' has both 'data' and parameter 'binary_data_size'")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}""", "lacks the header Inference-Header-Content-Length")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":-8}}]}""", "parameter 'binary_data_size' of input 'a' must be a whole number")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2]}]}""", "input 'a' has no data")]
    [InlineData("""{"outputs":[{"name":"q"}],"inputs":[]}""", "unexpected inference output 'q' for model 'm'; it gives 'y', 'z'")]
    [InlineData("""{"outputs":[{"name":"y"},{"name":"y"}],"inputs":[]}""", "output 'y' is asked for twice")]
    [InlineData("""{"outputs":[{"name":"y","parameters":{"classification":-1}}],"inputs":[]}""", "parameter 'classification' of output 'y' must be a whole number")]
    [InlineData("""{"outputs":[{"name":"y","parameters":{"binary_data":"yes"}}],"inputs":[]}""", "parameter 'binary_data' of output 'y' must be true or false")]
    [InlineData("""{"parameters":{"triton_x":1},"inputs":[]}""", "keys that start with 'triton_' are reserved")]
    [InlineData("""{"parameters":{"x":[1]},"inputs":[]}""", "parameter 'x' of the request must be a string, a number, true or false")]
    [InlineData("""{"inputs":[],"x":}""", "is not valid JSON near byte 17: '}' at byte 17 cannot stand there")]
    [InlineData("", "the request for model 'm' is empty; send a JSON object with 'inputs'")]
    [InlineData(" \n", "the request for model 'm' is empty; send a JSON object with 'inputs'")]
    [InlineData("{", "near byte 1: the text ends before everything that it opened is closed")]
    [InlineData("""{"inputs":[],}""", "behind the comma at byte 12 a value is missing")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2]},]}""", "behind the comma at byte 68 a value is missing")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,],"data":[1,2]}]}""", "behind the comma at byte 51 a value is missing")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,]}]}""", "element 1 of 'data' is missing at byte 65; FP32 takes a finite JSON number")]
    [InlineData("""{"inputs":[],"x":"\q"}""", "the string at byte 17 is not closed, holds a control character or a wrong escape")]
    [InlineData("{'inputs':[]}", "cannot stand there")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":{}}]}""", "input 'a' for model 'm': 'data' must be an array of numbers, it is an object (byte 62)")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":5}]}""", "'data' must be an array of numbers, it is 5 (byte 62)")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":"1,2"}]}""", "'data' must be an array of numbers, it is the string \"1,2\" (byte 62)")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":null}]}""", "'data' must be an array of numbers, it is null (byte 62)")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[500,2],"data":5}]}""", "'data' must be an array of numbers, it is 5 (byte 64)")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,{}]}]}""", "element 1 of 'data' is an object at byte 65; FP32 takes a finite JSON number")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,"2"]}]}""", "element 1 of 'data' is the string \"2\" at byte 65; FP32 takes")]
    public void A_request_that_does_not_fit_is_refused_with_what_was_expected_and_given(string json, string message) =>
        Assert.Contains(message, Requests.Refused(() => Requests.Json(json, Two)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("""["\ud800"]""", "element 0 of 'data' is a string with an escape that is no character at byte")]
    [InlineData("""["\q"]""", "element 0 of 'data' is a string with an escape that is no character at byte")]
    [InlineData("""[5]""", "element 0 of 'data' is 5 at byte")]
    [InlineData("""5""", "'data' must be an array of strings, it is 5")]
    public void What_is_no_text_is_refused_in_plain_words(string data, string message) => Assert.Contains(
        message, Requests.Refused(() => Requests.Json(Requests.One("BYTES", "[1]", data), Requests.Model(Requests.Tensor("x", "BYTES", -1)))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"parameters":{"shared_memory_region":"r","shared_memory_byte_size":8}}]}""")]
    [InlineData("""{"outputs":[{"name":"y","parameters":{"shared_memory_region":"r"}}],"inputs":[]}""")]
    public void Shared_memory_is_said_to_be_unsupported(string json) => Requests.Refused(() => Requests.Json(json, Two), ProblemCode.NotSupported);

    [Fact]
    public void Binary_and_JSON_inputs_may_be_mixed_and_parts_come_in_the_order_of_the_inputs()
    {
        var model = Requests.Model(Requests.Tensor("a", "INT8", -1), Requests.Tensor("b", "INT8", -1), Requests.Tensor("c", "BYTES", -1), Requests.Tensor("d", "FP16", -1));

        using var request = Requests.JsonAndBinary(
            """{"inputs":[{"name":"c","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":10}},{"name":"a","datatype":"INT8","shape":[2],"data":[1,2]},{"name":"b","datatype":"INT8","shape":[1],"parameters":{"binary_data_size":1}},{"name":"d","datatype":"FP16","shape":[0],"parameters":{"binary_data_size":0}}]}""",
            [2, 0, 0, 0, (byte)'x', 0, 0, 0, 0, 0, 7],
            model);

        Assert.Equal(["c", "a", "b", "d"], request.Inputs.Select(i => i.Name));
        Assert.Equal("x\0"u8, request.Inputs[0].Strings![0]);
        Assert.Equal(0, request.Inputs[0].Strings![1].Length);
        Assert.Equal([1, 2], request.Inputs[1].Data.ToArray());
        Assert.Equal([7], request.Inputs[2].Data.ToArray());
        Assert.True(request.Inputs[3].Data.IsEmpty);
    }

    [Theory]
    [InlineData("INT32", "[2]", "8", 5, "unexpected size for input 'x', expecting 3 additional bytes for model 'm'")]
    [InlineData("INT32", "[2]", "8", 12, "unexpected additional input data for model 'm': 4 bytes")]
    [InlineData("INT32", "[2]", "7", 7, "unexpected total byte size 7 for input 'x' for model 'm', expecting 8 (INT32 [2])")]
    [InlineData("INT32", "[0]", "0", 1, "unexpected additional input data for model 'm': 1 bytes")]
    [InlineData("BYTES", "[2]", "8", 8, "element 0 has a length of 67305985 bytes")]
    [InlineData("BYTES", "[2]", "7", 7, "needs 2 BYTES elements, the binary data holds fewer")]
    [InlineData("BOOL", "[2]", "2", 2, "element 1 of input 'x' for model 'm' is 2; a BOOL is 0 or 1")]
    public void Binary_data_of_another_size_is_refused_with_the_documented_words(string datatype, string shape, string size, int given, string message)
    {
        var bytes = Enumerable.Range(1, given).Select(b => (byte)b).ToArray();
        var refusal = Requests.Refused(
            () => Requests.JsonAndBinary(Requests.OneBinary(datatype, shape, size), bytes, Requests.Model(Requests.Tensor("x", datatype, -1))), ProblemCode.InputInvalid);

        Assert.Contains(message, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 1, 0, 0, 0, 65, 0, 0, 0, 0, 9 }, "holds more")]
    [InlineData(new byte[] { 2, 0, 0, 0, 65, 66, 0, 0 }, "element 0 has a length of 2 bytes")]
    [InlineData(new byte[] { 255, 255, 255, 255, 0, 0, 0, 0 }, "element 0 has a length of 4294967295 bytes")]
    public void Binary_texts_whose_lengths_do_not_add_up_are_refused(byte[] bytes, string message)
    {
        var model = Requests.Model(Requests.Tensor("x", "BYTES", -1));

        Assert.Contains(message, Requests.Refused(() => Requests.JsonAndBinary(Requests.OneBinary("BYTES", "[2]", $"{bytes.Length}"), bytes, model)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    public void A_JSON_length_outside_the_body_is_refused(int length) =>
        Assert.Contains("Inference-Header-Content-Length", Requests.Refused(() => InferRequestReader.Read("{}"u8.ToArray(), length, Two, "m")).Message, StringComparison.Ordinal);

    [Fact]
    public void Bytes_behind_the_JSON_that_no_input_asked_for_are_refused() =>
        Assert.StartsWith("unexpected additional input data for model 'm'", Requests.Refused(() => Requests.JsonAndBinary($$"""{"inputs":[{{A}},{{B}}]}""", [1], Two)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(new long[] { -1, 28, 28 }, 1568, new long[] { 2, 28, 28 })]
    [InlineData(new long[] { 1, 28, 28 }, 784, new long[] { 1, 28, 28 })]
    [InlineData(new long[] { -1, -1 }, 5, new long[] { 1, 5 })]
    [InlineData(new long[] { -1, -1, 4 }, 8, new long[] { 1, 2, 4 })]
    [InlineData(new long[] { 2, -1 }, 6, new long[] { 2, 3 })]
    [InlineData(new long[] { -1 }, 0, new long[] { 0 })]
    public void The_shape_of_a_raw_binary_request_follows_from_its_length(long[] expected, int length, long[] shape)
    {
        using var request = Requests.Raw(new byte[length], Requests.Model(Requests.Tensor("x", "UINT8", expected)));

        Assert.Equal(shape, request.Inputs[0].Shape);
    }

    [Theory]
    [InlineData(new long[] { -1, 28, 28 }, "UINT8", 785, "no multiple of 784")]
    [InlineData(new long[] { 28, 28 }, "UINT8", 783, "expecting 784")]
    [InlineData(new long[] { -1, -1, -1 }, "UINT8", 8, "cannot be deduced")]
    [InlineData(new long[] { 2, -1, -1 }, "UINT8", 8, "cannot be deduced")]
    [InlineData(new long[] { 0, -1 }, "UINT8", 8, "no multiple of 0")]
    [InlineData(new long[] { -1, 9223372036854775807, 9223372036854775807 }, "FP64", 8, "no multiple of")]
    [InlineData(new long[] { 2 }, "BYTES", 8, "one BYTES element")]
    public void A_raw_binary_request_whose_shape_cannot_be_deduced_is_refused(long[] expected, string datatype, int length, string message)
    {
        var refusal = Requests.Refused(() => Requests.Raw(new byte[length], Requests.Model(Requests.Tensor("x", datatype, expected))), ProblemCode.InputInvalid);

        Assert.Contains(message, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_raw_binary_request_needs_a_model_with_one_input() =>
        Assert.Contains("exactly one input", Requests.Refused(() => Requests.Raw([1], Two)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("[2,0]", "[[],[]]")]
    [InlineData("[2,0]", "[ ]")]
    [InlineData("[0,2]", "[]")]
    [InlineData("[2,0,3]", "[[],[]]")]
    public void Tensors_without_elements_are_legal(string shape, string data)
    {
        using var request = Requests.Json(Requests.One("FP32", shape, data), Requests.Model(new TensorInfo("x", "FP32", [])));

        Assert.True(request.Inputs[0].Data.IsEmpty);
    }

    [Fact]
    public void The_body_may_be_reused_after_reading()
    {
        var json = Encoding.UTF8.GetBytes(Requests.OneBinary("INT8", "[2]", "2"));
        byte[] body = [.. json, 5, 6];
        using var request = InferRequestReader.Read(body, json.Length, Requests.Model(Requests.Tensor("x", "INT8", -1)), "m");

        Array.Clear(body);

        Assert.Equal([5, 6], request.Inputs[0].Data.ToArray());
    }
}
