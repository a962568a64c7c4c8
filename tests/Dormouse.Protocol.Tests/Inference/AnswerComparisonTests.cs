using System.Buffers.Binary;
using System.Text;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Inference.Wire;
using Google.Protobuf;

namespace Dormouse.Protocol.Tests.Inference;

public sealed class AnswerComparisonTests
{
    [Theory]
    [InlineData("""{"model_version":"1","id":"a","outputs":[{"name":"y","data":[1.0,2]}]}""", """{"outputs":[{"name":"y","data":[1.00001,2.0]}],"id":"b","model_version":"2"}""")]
    [InlineData("""{"a":"\u00e4","b":[true,null,{}]}""", """{ "b" : [ true, null, {} ], "a" : "ä" }""")]
    [InlineData("[1e300]", "[1.00001e300]")]
    [InlineData("[9007199254740993]", "[9007199254740993]")]
    public void Json_that_says_the_same_is_the_same(string one, string other) => Assert.Null(Json(one, other));

    [Theory]
    [InlineData("""{"outputs":[{"data":[1,2.5]}]}""", """{"outputs":[{"data":[1,2.6]}]}""", "outputs[0].data[1] is 2.5 and 2.6")]
    [InlineData("""{"outputs":[{"data":[1]}]}""", """{"outputs":[{"data":[1,2]}]}""", "outputs[0].data has 1 and 2 elements")]
    [InlineData("""{"a":1}""", """{"a":"1"}""", "a is 1 and \"1\"")]
    [InlineData("""{"a":1}""", """{"a":1,"b":2}""", "b is in one only")]
    [InlineData("""{"a":1,"c":2}""", """{"a":1}""", "c is in one only")]
    [InlineData("""{"outputs":[{"id":1}]}""", """{"outputs":[{"id":2}]}""", "outputs[0].id is 1 and 2")]
    [InlineData("1", "[]", "the answer is 1 and []")]
    [InlineData("{", "{}", "they have 1 and 2 bytes")]
    public void Json_that_differs_says_where(string one, string other, string difference) => Assert.Equal(difference, Json(one, other));

    [Fact]
    public void The_tolerance_is_relative_above_one_and_absolute_below()
    {
        Assert.Null(Json("[1000]", "[1001]", 0.001));
        Assert.NotNull(Json("[1000]", "[1001.1]", 0.001));
        Assert.Null(Json("[0.0001]", "[0.001]", 0.001));
        Assert.NotNull(Json("[1]", "[1.0000001]", 0));
    }

    [Fact]
    public void Binary_tensors_are_compared_by_their_type()
    {
        Assert.Null(Difference(Floats(1f, float.NaN), Floats(1.00001f, float.NaN)));
        Assert.Equal("output 'y' element 1 is 2 and 3", Difference(Floats(1f, 2f), Floats(1f, 3f)));
        Assert.Equal("output 'y' byte 0 is 1 and 2", Difference(Binary("UINT8", [1]), Binary("UINT8", [2])));
        Assert.StartsWith("outputs[0].parameters.binary_data_size is 1 and 2", Difference(Binary("UINT8", [1]), Binary("UINT8", [2, 3])), StringComparison.Ordinal);
    }

    [Fact]
    public void Other_bodies_are_compared_byte_by_byte()
    {
        Assert.Null(Difference(new ComparedAnswer("image/png", null, new byte[] { 1, 2 }), new ComparedAnswer("image/png", null, new byte[] { 1, 2 })));
        Assert.Equal("byte 1 is 2 and 3", Difference(new ComparedAnswer("image/png", null, new byte[] { 1, 2 }), new ComparedAnswer("image/png", null, new byte[] { 1, 3 })));
    }

    [Fact]
    public void Messages_are_compared_by_value()
    {
        var one = Message([1f, 2f]);

        Assert.Null(Messages(one, Message([1.00001f, 2f], version: "2", id: "b")));
        Assert.Equal("output 'y' element 1 is 2 and 3", Messages(one, Message([1f, 3f])));
        Assert.Equal("outputs[0] is 'y' FP32 [1,2] and 'z' FP32 [1,2]", Messages(one, Message([1f, 2f], name: "z")));
        Assert.Equal("outputs[0] is 'y' FP32 [1,2] and 'y' FP32 [2,1]", Messages(one, Message([1f, 2f], rows: 2)));
        Assert.Equal("outputs has 1 and 0 elements", Messages(one, new ModelInferResponse { ModelName = "m" }.ToByteArray()));
        Assert.Equal("model_name is 'm' and 'n'", Messages(one, new ModelInferResponse { ModelName = "n" }.ToByteArray()));
        Assert.StartsWith("they have", Messages(one, [0xFF]), StringComparison.Ordinal);
        Assert.StartsWith("they have", Difference(new ComparedAnswer("application/x-protobuf", null, one), new ComparedAnswer("application/json", null, "{}"u8.ToArray())), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-5, "{}")]
    [InlineData(99, "{}")]
    [InlineData(4, """{}{""")]
    public void Lengths_that_lie_are_compared_as_bytes(int length, string text)
    {
        var one = new ComparedAnswer("application/octet-stream", length, Encoding.UTF8.GetBytes(text));
        Assert.Equal($"they have {text.Length} and 1 bytes", Difference(one, one with { Body = new byte[1] }));
    }

    [Fact]
    public void A_size_beyond_the_tensors_is_no_reason_to_fail()
    {
        var json = """{"outputs":[{"name":"y","datatype":"FP32","parameters":{"binary_data_size":400}}]}""";
        var one = new ComparedAnswer(null, json.Length, Encoding.UTF8.GetBytes(json + "a"));
        Assert.Equal("byte 0 is 97 and 98", Difference(one, one with { Body = Encoding.UTF8.GetBytes(json + "b") }));
    }

    private static string? Json(string one, string other, double tolerance = 1e-4) => AnswerComparison.Difference(
        new ComparedAnswer("application/json", null, Encoding.UTF8.GetBytes(one)), new ComparedAnswer("application/json; charset=utf-8", null, Encoding.UTF8.GetBytes(other)), tolerance);

    private static string? Difference(ComparedAnswer one, ComparedAnswer other) => AnswerComparison.Difference(one, other, 1e-4);

    private static string? Messages(byte[] one, byte[] other) =>
        Difference(new ComparedAnswer("application/x-protobuf", null, one), new ComparedAnswer("application/x-protobuf", null, other));

    private static byte[] Message(float[] values, string version = "1", string id = "a", string name = "y", int rows = 1) => new ModelInferResponse
    {
        ModelName = "m",
        ModelVersion = version,
        Id = id,
        Outputs = { new ModelInferResponse.Types.InferOutputTensor { Name = name, Datatype = "FP32", Shape = { rows, values.Length / rows } } },
        RawOutputContents = { ByteString.CopyFrom([.. values.SelectMany(BitConverter.GetBytes)]) },
    }.ToByteArray();

    private static ComparedAnswer Floats(params float[] values)
    {
        var bytes = new byte[values.Length * 4];
        for (var i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * 4), values[i]);
        }

        return Binary("FP32", bytes);
    }

    private static ComparedAnswer Binary(string type, byte[] tensor)
    {
        var json = $$$"""{"outputs":[{"name":"y","datatype":"{{{type}}}","shape":[1],"parameters":{"binary_data_size":{{{tensor.Length}}}}}]}""";
        return new ComparedAnswer("application/octet-stream", json.Length, (byte[])[.. Encoding.UTF8.GetBytes(json), .. tensor]);
    }
}
