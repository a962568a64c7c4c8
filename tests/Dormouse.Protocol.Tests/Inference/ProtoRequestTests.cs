using CsCheck;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Google.Protobuf;
using Wire = Dormouse.Protocol.Inference.Wire;

namespace Dormouse.Protocol.Tests.Inference;

/// <summary>Requests over gRPC: the hand-written reader against messages that protobuf's own code wrote.</summary>
public sealed class ProtoRequestTests
{
    private static readonly ModelInterface One = Requests.Model(Requests.Tensor("x", "INT32", -1));

    [Fact]
    public void A_message_is_read_with_id_parameters_and_outputs_in_their_order()
    {
        var message = Message(Input("INT32", 2), raw: new byte[8]);
        message.Id = "42";
        message.Parameters.Add("s", new Wire.InferParameter { StringParam = "" });
        message.Parameters.Add("i", new Wire.InferParameter { Int64Param = -1 });
        message.Parameters.Add("u", new Wire.InferParameter { Uint64Param = ulong.MaxValue });
        message.Parameters.Add("d", new Wire.InferParameter { DoubleParam = 0.5 });
        message.Parameters.Add("f", new Wire.InferParameter { BoolParam = false });
        message.Outputs.Add(new Wire.ModelInferRequest.Types.InferRequestedOutputTensor { Name = "z", Parameters = { ["classification"] = new Wire.InferParameter { Int64Param = 5 } } });
        message.Outputs.Add(new Wire.ModelInferRequest.Types.InferRequestedOutputTensor { Name = "y" });

        using var request = Read(message, One);

        Assert.Equal("42", request.Id);
        Assert.Equal([new RequestedOutput("z", null, 5), new RequestedOutput("y")], request.Outputs);
        Assert.Equal(new ParameterValue.Text(""), request.Parameters["s"]);
        Assert.Equal(new ParameterValue.Integer(-1), request.Parameters["i"]);
        Assert.Equal(new ParameterValue.Unsigned(ulong.MaxValue), request.Parameters["u"]);
        Assert.Equal(new ParameterValue.Number(0.5), request.Parameters["d"]);
        Assert.Equal(new ParameterValue.Flag(false), request.Parameters["f"]);
    }

    [Fact]
    public void Contents_and_raw_contents_together_are_refused_with_the_documented_words()
    {
        var input = Input("INT32", 1);
        input.Contents = new Wire.InferTensorContents { IntContents = { 1 } };

        AssertRefused("contents field must not be specified when using raw_input_contents", Message(input, raw: new byte[4]), One);
    }

    [Fact]
    public void Fewer_or_more_raw_entries_than_inputs_are_refused()
    {
        var two = Requests.Model(Requests.Tensor("x", "INT32", -1), Requests.Tensor("w", "INT32", -1));
        var message = Message(Input("INT32", 1), raw: new byte[4]);
        message.Inputs.Add(new Wire.ModelInferRequest.Types.InferInputTensor { Name = "w", Datatype = "INT32", Shape = { 1 } });
        AssertRefused("expected 2 raw_input_contents, one for each input in order, but got 1", message, two);

        var more = Message(Input("INT32", 1), raw: new byte[4]);
        more.RawInputContents.Add(ByteString.Empty);
        AssertRefused("expected 1 raw_input_contents, one for each input in order, but got 2", more, One);
        more.RawInputContents.Add(ByteString.Empty);
        AssertRefused("the request has more raw_input_contents", more, One);
    }

    [Theory]
    [InlineData("INT8", 128)]
    [InlineData("INT8", -129)]
    [InlineData("INT16", 40000)]
    [InlineData("UINT8", 256)]
    [InlineData("UINT16", 65536)]
    public void A_typed_number_out_of_its_datatype_is_refused(string datatype, int value)
    {
        var input = Input(datatype, 1);
        input.Contents = new Wire.InferTensorContents();
        if (datatype[0] == 'U') input.Contents.UintContents.Add((uint)value);
        else input.Contents.IntContents.Add(value);

        AssertRefused($"element 0 is {value}, out of the range of {datatype}", Message(input), Requests.Model(Requests.Tensor("x", datatype, -1)));
    }

    [Theory]
    [InlineData("FP16")]
    [InlineData("BF16")]
    public void Sixteen_bit_floats_must_be_raw(string datatype)
    {
        var input = Input(datatype, 1);
        input.Contents = new Wire.InferTensorContents { Fp32Contents = { 1 } };

        AssertRefused("raw_input_contents", Message(input), Requests.Model(Requests.Tensor("x", datatype, -1)));
    }

    [Theory]
    [InlineData(1, "contents holds fewer")]
    [InlineData(3, "contents holds more")]
    public void Another_count_than_the_shape_has_is_refused(int given, string words)
    {
        foreach (var datatype in (string[])["INT32", "FP32", "FP64", "BYTES", "BOOL", "UINT64"])
        {
            var input = Input(datatype, 2);
            var contents = input.Contents = new Wire.InferTensorContents();
            for (var i = 0; i < given; i++)
            {
                if (datatype == "INT32") contents.IntContents.Add(1);
                else if (datatype == "FP32") contents.Fp32Contents.Add(1);
                else if (datatype == "FP64") contents.Fp64Contents.Add(1);
                else if (datatype == "BYTES") contents.BytesContents.Add(ByteString.CopyFrom(1));
                else if (datatype == "BOOL") contents.BoolContents.Add(true);
                else contents.Uint64Contents.Add(1);
            }

            AssertRefused(words, Message(input), Requests.Model(Requests.Tensor("x", datatype, -1)));
        }
    }

    [Fact]
    public void Elements_in_a_field_of_another_datatype_are_refused()
    {
        var input = Input("INT32", 1);
        input.Contents = new Wire.InferTensorContents { Fp32Contents = { 1 } };

        AssertRefused("INT32 elements belong into int_contents, given fp32_contents", Message(input), One);
    }

    [Fact]
    public void What_does_not_fit_the_model_is_refused_as_in_JSON()
    {
        AssertRefused("Missing: 'x'", new Wire.ModelInferRequest(), One);
        AssertRefused("an input has no name", new Wire.ModelInferRequest { Inputs = { new Wire.ModelInferRequest.Types.InferInputTensor { Datatype = "INT32" } } }, One);
        AssertRefused("expects 'INT32'", Message(Input("FP32", 1), raw: new byte[4]), One);
        AssertRefused("datatype 'int32'", Message(Input("int32", 1), raw: new byte[4]), One);
        AssertRefused("Expected [-1], got [1,1]", Message(Input("INT32", 1, 1), raw: new byte[4]), One);
        AssertRefused("negative dimension", Message(Input("INT32", -1), raw: new byte[4]), One);
        AssertRefused("unexpected total byte size 5 for input 'x'", Message(Input("INT32", 1), raw: new byte[5]), One);
        AssertRefused("needs 1000000000000 elements", Message(Input("INT32", 1_000_000_000_000)), One);
        var unknown = Message(Input("INT32", 1), raw: new byte[4]);
        unknown.Outputs.Add(new Wire.ModelInferRequest.Types.InferRequestedOutputTensor { Name = "q" });
        AssertRefused("unexpected inference output 'q' for model 'm'", unknown, One);
        var reserved = Message(Input("INT32", 1), raw: new byte[4]);
        reserved.Parameters.Add("triton_x", new Wire.InferParameter { BoolParam = true });
        AssertRefused("reserved", reserved, One);
    }

    [Fact]
    public void Shared_memory_is_said_to_be_unsupported()
    {
        var input = Input("INT32", 1);
        input.Parameters.Add("shared_memory_region", new Wire.InferParameter { StringParam = "r" });

        Requests.Refused(() => Read(Message(input), One), ProblemCode.NotSupported);
    }

    [Fact]
    public void Damaged_messages_are_read_or_refused_and_never_fail_otherwise()
    {
        Gen.Int.Sample(seed =>
        {
            var random = new Random(seed);
            var sample = TensorSample.Draw(random, (Datatype)random.Next(14));
            var message = new Wire.ModelInferRequest { ModelName = "m", Id = "1", Inputs = { new Wire.ModelInferRequest.Types.InferInputTensor { Name = "x", Datatype = sample.Datatype.Name(), Shape = { sample.Shape } } } };
            message.Parameters.Add("p", new Wire.InferParameter { DoubleParam = 1 });
            if (random.Next(2) == 0) message.RawInputContents.Add(ByteString.CopyFrom(sample.Binary));
            else message.Inputs[0].Contents = new Wire.InferTensorContents { IntContents = { 1, 2, 300 }, Fp32Contents = { 1 }, BytesContents = { ByteString.CopyFrom(1) } };
            var bytes = message.ToByteArray();
            for (var i = random.Next(1, 4); i > 0; i--)
            {
                var at = random.Next(bytes.Length);
                bytes = random.Next(3) switch
                {
                    0 => [.. bytes[..at], (byte)random.Next(256), .. bytes[(at + 1)..]],
                    1 => [.. bytes[..at], .. bytes[(at + 1)..], 0],
                    _ => [.. bytes[..at], (byte)random.Next(256), .. bytes[at..]],
                };
            }

            try
            {
                ModelRouting.Peek(bytes);
                InferProtoReader.Read(bytes, Requests.Model(sample.Info), "m").Dispose();
            }
            catch (InferenceException refusal)
            {
                Assert.NotEmpty(refusal.Message);
            }
        }, iter: 20_000);
    }

    [Fact]
    public void The_route_is_found_in_any_order_of_the_fields_and_the_last_of_a_field_counts()
    {
        byte[] bytes =
        [
            0x3A, 3, 0x0A, 1, (byte)'q', .. (byte[])[0x12, 1, (byte)'1'], .. (byte[])[0x0A, 1, (byte)'a'], 0x0A, 2, 0xC3, 0xB6, 0x50, 5, 0x12, 1, (byte)'7',
        ];

        Assert.Equal(new ModelRoute("ö", "7"), ModelRouting.Peek(bytes));
        Assert.Equal(new ModelRoute("", ""), ModelRouting.Peek([]));
        Assert.Equal(new ModelRoute("m", ""), ModelRouting.Peek(Message(Input("INT32", 1), raw: new byte[4]).ToByteArray()));
    }

    [Theory]
    [InlineData(new byte[] { 0x0A })]
    [InlineData(new byte[] { 0x0A, 5, 1 })]
    [InlineData(new byte[] { 0x0A, 1, 0xFF })]
    [InlineData(new byte[] { 0x00, 1 })]
    [InlineData(new byte[] { 0x0B, 0x0C })]
    [InlineData(new byte[] { 0x0F })]
    [InlineData(new byte[] { 0x0D, 1, 2 })]
    [InlineData(new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF })]
    [InlineData(new byte[] { 0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01 })]
    public void Bytes_that_are_no_message_are_refused(byte[] bytes)
    {
        Assert.Equal(ProblemCode.RequestInvalid, Assert.Throws<InferenceException>(() => ModelRouting.Peek(bytes)).Code);
        Requests.Refused(() => InferProtoReader.Read(bytes, One, "m"));
    }

    private static InferRequest Read(Wire.ModelInferRequest message, ModelInterface model) => InferProtoReader.Read(message.ToByteArray(), model, "m");

    private static void AssertRefused(string words, Wire.ModelInferRequest message, ModelInterface model) =>
        Assert.Contains(words, Requests.Refused(() => Read(message, model)).Message, StringComparison.Ordinal);

    private static Wire.ModelInferRequest.Types.InferInputTensor Input(string datatype, params long[] shape) => new() { Name = "x", Datatype = datatype, Shape = { shape } };

    private static Wire.ModelInferRequest Message(Wire.ModelInferRequest.Types.InferInputTensor input, byte[]? raw = null)
    {
        var message = new Wire.ModelInferRequest { ModelName = "m", Inputs = { input } };
        if (raw is not null) message.RawInputContents.Add(ByteString.CopyFrom(raw));
        return message;
    }
}
