using System.Text;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Tests.Inference;

/// <summary>Every kind of malformed request is refused with words, and costs no more memory than it brought.</summary>
public sealed class HostileJsonTests
{
    [Theory]
    [InlineData("[1,,2]")]
    [InlineData("[,1,2]")]
    [InlineData("[1,2,]")]
    [InlineData("[1,2")]
    [InlineData("[1,")]
    [InlineData("[1")]
    [InlineData("[")]
    [InlineData("")]
    [InlineData("[1 2]")]
    [InlineData("[1;2]")]
    [InlineData("[1,2]]")]
    [InlineData("[[1,2]")]
    [InlineData("[[1,2]]")]
    [InlineData("[1,[2]]")]
    [InlineData("[[1],[2]]")]
    [InlineData("[[[[[[[[1,2]]]]]]]]")]
    [InlineData("[1,2]5")]
    [InlineData("[1,2] x")]
    [InlineData("[01,2]")]
    [InlineData("[-01,2]")]
    [InlineData("[+1,2]")]
    [InlineData("[.5,2]")]
    [InlineData("[1.,2]")]
    [InlineData("[1.e3,2]")]
    [InlineData("[1e,2]")]
    [InlineData("[1e+,2]")]
    [InlineData("[-,2]")]
    [InlineData("[--1,2]")]
    [InlineData("[0x10,2]")]
    [InlineData("[1_000,2]")]
    [InlineData("[1.2.3,2]")]
    [InlineData("[NaN,2]")]
    [InlineData("[Infinity,2]")]
    [InlineData("[-Infinity,2]")]
    [InlineData("[null,2]")]
    [InlineData("[\"1\",2]")]
    [InlineData("[{},2]")]
    [InlineData("['1',2]")]
    [InlineData("[1,2/* no */]")]
    [InlineData("[1,2]// no")]
    [InlineData("[1,\u00A02]")]
    [InlineData("[1,\v2]")]
    [InlineData("[\0,2]")]
    [InlineData("{\"0\":1}")]
    [InlineData("null")]
    [InlineData("1")]
    [InlineData("\"1,2\"")]
    [InlineData("[1]")]
    [InlineData("[]")]
    [InlineData("[1,2,3]")]
    public void Data_that_is_no_array_of_two_numbers_is_refused(string data)
    {
        foreach (var datatype in (string[])["INT32", "UINT8", "INT64", "UINT64", "FP32", "FP64", "BYTES"])
        {
            // The second form has the data first, so it is skipped and read later.
            Requests.Refused(() => Requests.Json(Requests.One(datatype, "[2]", data), Requests.Model(Requests.Tensor("x", datatype, -1))));
            Requests.Refused(() => Requests.Json($$"""{"inputs":[{"data":{{data}},"shape":[2],"datatype":"{{datatype}}","name":"x"}]}""", Requests.Model(Requests.Tensor("x", datatype, -1))));
        }
    }

    [Theory]
    [InlineData("UINT8", "256", "0 to 255")]
    [InlineData("UINT8", "-1", "0 to 255")]
    [InlineData("UINT16", "65536", "0 to 65535")]
    [InlineData("UINT32", "4294967296", "0 to 4294967295")]
    [InlineData("UINT64", "18446744073709551616", "0 to 18446744073709551615")]
    [InlineData("UINT64", "99999999999999999999999", "0 to 18446744073709551615")]
    [InlineData("INT8", "128", "-128 to 127")]
    [InlineData("INT8", "-129", "-128 to 127")]
    [InlineData("INT16", "32768", "-32768 to 32767")]
    [InlineData("INT32", "-2147483649", "-2147483648 to 2147483647")]
    [InlineData("INT64", "9223372036854775808", "-9223372036854775808 to 9223372036854775807")]
    [InlineData("INT64", "-9223372036854775809", "-9223372036854775808 to 9223372036854775807")]
    [InlineData("INT32", "1.5", "without fraction")]
    [InlineData("INT32", "1.0", "without fraction")]
    [InlineData("INT32", "1e3", "without fraction")]
    [InlineData("INT32", "true", "a whole number")]
    [InlineData("BOOL", "2", "true or false")]
    [InlineData("BOOL", "True", "true or false")]
    [InlineData("BOOL", "\"true\"", "true or false")]
    [InlineData("BOOL", "truefalse", "true or false")]
    [InlineData("FP32", "3.5e38", "a finite JSON number")]
    [InlineData("FP32", "true", "a finite JSON number")]
    [InlineData("FP64", "1e309", "a finite JSON number")]
    [InlineData("BYTES", "5", "a JSON string")]
    [InlineData("BYTES", "null", "a JSON string")]
    public void An_element_out_of_range_or_of_another_kind_is_named_with_what_the_datatype_takes(string datatype, string element, string expected)
    {
        var refusal = Requests.Refused(
            () => Requests.Json(Requests.One(datatype, "[1]", $"[{element}]"), Requests.Model(Requests.Tensor("x", datatype, -1))), ProblemCode.InputInvalid);

        Assert.Contains("input 'x' for model 'm'", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("element 0", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"a")]
    [InlineData("\"a\\")]
    [InlineData("\"\\x\"")]
    [InlineData("\"\\u12\"")]
    [InlineData("\"\\u12G4\"")]
    [InlineData("\"\\u+123\"")]
    [InlineData("\"\\u002\0\"")]
    [InlineData("\"\\u002 \"")]
    [InlineData("\"\\u 002\"")]
    [InlineData("\"\\ud800\"")]
    [InlineData("\"\\udc00\"")]
    [InlineData("\"\\ud800\\u0041\"")]
    [InlineData("\"\\ud800x\"")]
    [InlineData("\"line\nbreak\"")]
    [InlineData("\"tab\there\"")]
    [InlineData("\"nul\0\"")]
    public void A_text_that_is_no_JSON_string_is_refused(string element) =>
        Requests.Refused(() => Requests.Json(Requests.One("BYTES", "[1]", $"[{element}]"), Requests.Model(Requests.Tensor("x", "BYTES", -1))));

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("nonsense")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("{}{}")]
    [InlineData("{} trailing")]
    [InlineData("""{"inputs":null}""")]
    [InlineData("""{"inputs":{}}""")]
    [InlineData("""{"inputs":[1]}""")]
    [InlineData("""{"inputs":[{}]}""")]
    [InlineData("""{"inputs":[{"name":"x"}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32"}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","shape":[2],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"datatype":"INT32","shape":[2],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":1,"datatype":"INT32","shape":[2],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":5,"shape":[2],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":2,"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":["2"],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2.0],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2e0],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[-2],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[9223372036854775808],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","name":"x","datatype":"INT32","shape":[2],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2],"data":[1,2],"data":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2],"data":[1,2],"dat\u0061":[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2],"data":[1,2]}],"inputs":[]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2],"data":[1,2]},]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2],"data":[1,2],}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2],"data":[1,2]}}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2],"data":[1,2]"id":1}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2],"data":[1,2] : 3}]}""")]
    [InlineData("""{"inputs":[{"name":"x","datatype":"INT32","shape":[2],"data"[1,2]}]}""")]
    [InlineData("""{"inputs":[{"name":"x\ud800","datatype":"INT32","shape":[2],"data":[1,2]}]}""")]
    [InlineData("""{"\ud800":1}""")]
    [InlineData("""{"id":5}""")]
    [InlineData("""{"outputs":5}""")]
    [InlineData("""{"outputs":[5]}""")]
    [InlineData("""{"outputs":[{}]}""")]
    [InlineData("""{"parameters":[]}""")]
    [InlineData("""{"parameters":{"a":null}}""")]
    [InlineData("""{"parameters":{"a":[1]}}""")]
    [InlineData("""{"parameters":{"a":{}}}""")]
    [InlineData("""{"parameters":{"a":1e999}}""")]
    [InlineData("""{"parameters":{"a":1,"a":2}}""")]
    [InlineData("""{"parameters":{"binary_data_output":1}}""")]
    [InlineData("""{"parameters":{"triton_enable_empty_final_response":true}}""")]
    public void A_document_that_is_no_request_is_refused(string json) =>
        Requests.Refused(() => Requests.Json(json, Requests.Model(Requests.Tensor("x", "INT32", -1))));

    [Fact]
    public void A_byte_order_mark_and_bytes_that_are_not_UTF8_are_refused_with_their_name()
    {
        var model = Requests.Model(Requests.Tensor("x", "BYTES", -1));
        var good = Encoding.UTF8.GetBytes(Requests.One("BYTES", "[1]", "[\"a\"]"));
        var bad = (byte[])good.Clone();
        bad[Array.LastIndexOf(bad, (byte)'a')] = 0xFF;

        Assert.Contains("byte order mark", Requests.Refused(() => InferRequestReader.Read((byte[])[0xEF, 0xBB, 0xBF, .. good], null, model, "m")).Message, StringComparison.Ordinal);
        Assert.Contains("UTF-8", Requests.Refused(() => InferRequestReader.Read(bad, null, model, "m")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(100_000)]
    public void Deep_nesting_is_refused(int depth)
    {
        var data = new string('[', depth) + new string(']', depth);
        var model = Requests.Model(Requests.Tensor("x", "INT32", -1));

        Requests.Refused(() => Requests.Json(Requests.One("INT32", "[0]", data), model));
        Requests.Refused(() => Requests.Json($$"""{"inputs":[{"data":{{data}},"shape":[0],"datatype":"INT32","name":"x"}]}""", model));
        Requests.Refused(() => Requests.Json($$"""{"unknown":{{data}},"inputs":[]}""", model));
        Requests.Refused(() => Requests.Json(Requests.One("INT32", "[" + string.Join(',', Enumerable.Repeat("1", depth)) + "]", "[1]"), Requests.Model(Requests.Tensor("x", "INT32"))));
    }

    [Theory]
    [InlineData("[1000000000000]")]
    [InlineData("[9223372036854775807]")]
    [InlineData("[3037000500,3037000500]")]
    [InlineData("[9223372036854775807,9223372036854775807]")]
    [InlineData("[2147483647]")]
    [InlineData("[0,9223372036854775807,9223372036854775807]")]
    public void A_shape_that_promises_more_than_the_body_holds_is_refused_before_memory_is_taken(string shape)
    {
        foreach (var datatype in (string[])["FP64", "INT8", "BYTES", "BOOL"])
        {
            var model = Requests.Model(new TensorInfo("x", datatype, []));
            Requests.Refused(() => Requests.Json(Requests.One(datatype, shape, "[1,2,3]"), model));

            var before = GC.GetAllocatedBytesForCurrentThread();
            Requests.Refused(() => Requests.Json(Requests.One(datatype, shape, "[1,2,3]"), model));
            Requests.Refused(() => Requests.JsonAndBinary(Requests.OneBinary(datatype, shape, "3"), [1, 2, 3], model));
            Requests.Refused(() => Requests.JsonAndBinary(Requests.OneBinary(datatype, shape, "1000000000000"), [1, 2, 3], model));

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
        }
    }

    [Fact]
    public void A_name_of_a_megabyte_is_not_repeated_in_the_message() =>
        Requests.Refused(() => Requests.Json($$"""{"inputs":[{"name":"{{new string('n', 1 << 20)}}","datatype":"INT32","shape":[1],"data":[1]}]}""", Requests.Model(Requests.Tensor("x", "INT32", -1))));

    [Fact]
    public void A_refused_request_leaves_nothing_rented_and_the_next_one_is_read()
    {
        var model = Requests.Model(Requests.Tensor("x", "INT32", -1));
        Requests.Refused(() => Requests.Json(Requests.One("INT32", "[2]", "[1,x]"), model));

        using var next = Requests.Json(Requests.One("INT32", "[2]", "[1,2]"), model);

        Assert.Equal([1, 0, 0, 0, 2, 0, 0, 0], next.Inputs[0].Data.ToArray());
    }
}
