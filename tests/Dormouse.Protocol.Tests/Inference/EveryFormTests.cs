using CsCheck;
using Dormouse.Protocol.Inference;
using Google.Protobuf;
using Wire = Dormouse.Protocol.Inference.Wire;

namespace Dormouse.Protocol.Tests.Inference;

/// <summary>The same tensor in every form that the protocol has is read as the same tensor.</summary>
public sealed class EveryFormTests
{
    public static TheoryData<Datatype> All => [.. Enum.GetValues<Datatype>()];

    [Theory]
    [MemberData(nameof(All))]
    public void A_tensor_is_the_same_as_nested_JSON_flat_JSON_binary_typed_and_raw_protobuf(Datatype datatype)
    {
        Gen.Int.Sample(seed =>
        {
            var random = new Random(seed);
            var sample = TensorSample.Draw(random, datatype);
            var model = Requests.Model(sample.Info);

            using (var binary = Requests.JsonAndBinary(Requests.OneBinary(datatype.Name(), sample.ShapeText, $"{sample.Binary.Length}"), sample.Binary, model))
                AssertSame(sample, binary);
            using (var raw = InferProtoReader.Read(Message(sample, raw: true).ToByteArray(), model, "m")) AssertSame(sample, raw);
            if (datatype.IsBinaryOnly()) return;

            using (var flat = Requests.Json(Requests.One(datatype.Name(), sample.ShapeText, sample.Flat(random)), model)) AssertSame(sample, flat);
            using (var nested = Requests.Json(Requests.One(datatype.Name(), sample.ShapeText, sample.Nested(random)), model)) AssertSame(sample, nested);
            using (var typed = InferProtoReader.Read(Message(sample, raw: false).ToByteArray(), model, "m")) AssertSame(sample, typed);
        }, iter: 400);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_raw_binary_request_has_its_shape_deduced(Datatype datatype)
    {
        if (datatype == Datatype.Bytes)
        {
            using var text = Requests.Raw("a\0b"u8, Requests.Model(Requests.Tensor("x", "BYTES", -1)));

            Assert.Equal([1], text.Inputs[0].Shape);
            Assert.Equal("a\0b"u8, text.Inputs[0].Strings![0]);
            return;
        }

        var body = new byte[6 * datatype.ElementSize()];
        using var request = Requests.Raw(body, Requests.Model(Requests.Tensor("x", datatype.Name(), -1, 3)));

        Assert.Equal([2, 3], request.Inputs[0].Shape);
        Assert.Equal(body, request.Inputs[0].Data);
        Assert.True(request.WantsBinary(null));
    }

    [Fact]
    public void Typed_protobuf_is_read_alike_packed_unpacked_and_in_two_pieces()
    {
        var model = Requests.Model(Requests.Tensor("x", "INT32", -1), Requests.Tensor("f", "FP32", -1));

        // x: contents { int_contents: -1 (one by one), [2, 300] (packed) } then contents { 4 }; f: 1.5 one by one, [2.5] packed.
        byte[] whole = [0x10, .. Enumerable.Repeat((byte)0xFF, 9), 0x01, 0x12, 0x03, 0x02, 0xAC, 0x02];
        byte[] input = [0x0A, 1, (byte)'x', 0x12, 5, .. "INT32"u8, 0x18, 4, 0x2A, (byte)whole.Length, .. whole, 0x2A, 2, 0x10, 4];
        byte[] floats = [0x35, .. BitConverter.GetBytes(1.5f), 0x32, 4, .. BitConverter.GetBytes(2.5f)];
        byte[] second = [0x0A, 1, (byte)'f', 0x12, 4, .. "FP32"u8, 0x1A, 1, 2, 0x2A, (byte)floats.Length, .. floats];
        using var request = InferProtoReader.Read((byte[])[0x2A, (byte)input.Length, .. input, 0x2A, (byte)second.Length, .. second], model, "m");

        Assert.Equal([.. BitConverter.GetBytes(-1), .. BitConverter.GetBytes(2), .. BitConverter.GetBytes(300), .. BitConverter.GetBytes(4)], request.Inputs[0].Data.ToArray());
        Assert.Equal([.. BitConverter.GetBytes(1.5f), .. BitConverter.GetBytes(2.5f)], request.Inputs[1].Data.ToArray());
    }

    private static void AssertSame(TensorSample sample, InferRequest request)
    {
        var input = Assert.Single(request.Inputs);
        Assert.Equal("x", input.Name);
        Assert.Equal(sample.Datatype, input.Datatype);
        Assert.Equal(sample.Shape, input.Shape);
        Assert.Equal(sample.Binary, Binary(input));
    }

    internal static byte[] Binary(InputTensor input)
    {
        if (input.Strings is not { } strings) return input.Data.ToArray();
        var bytes = new byte[strings.BinaryLength];
        Assert.Equal(bytes.Length, strings.WriteBinary(bytes));
        return bytes;
    }

    private static Wire.ModelInferRequest Message(TensorSample sample, bool raw)
    {
        var input = new Wire.ModelInferRequest.Types.InferInputTensor { Name = "x", Datatype = sample.Datatype.Name(), Shape = { sample.Shape } };
        var message = new Wire.ModelInferRequest { ModelName = "m", Inputs = { input } };
        if (raw) message.RawInputContents.Add(ByteString.CopyFrom(sample.Binary));
        else input.Contents = Contents(sample);
        return message;
    }

    private static Wire.InferTensorContents Contents(TensorSample sample)
    {
        var contents = new Wire.InferTensorContents();
        var bytes = sample.Binary;
        var size = Math.Max(1, sample.Datatype.ElementSize());
        if (sample.Datatype == Datatype.Bytes)
        {
            for (var position = 0; position < bytes.Length;)
            {
                var length = BitConverter.ToInt32(bytes, position);
                contents.BytesContents.Add(ByteString.CopyFrom(bytes, position + 4, length));
                position += 4 + length;
            }

            return contents;
        }

        for (var at = 0; at < bytes.Length; at += size)
        {
            switch (sample.Datatype)
            {
                case Datatype.Bool: contents.BoolContents.Add(bytes[at] != 0); break;
                case Datatype.Int8: contents.IntContents.Add((sbyte)bytes[at]); break;
                case Datatype.Int16: contents.IntContents.Add(BitConverter.ToInt16(bytes, at)); break;
                case Datatype.Int32: contents.IntContents.Add(BitConverter.ToInt32(bytes, at)); break;
                case Datatype.Int64: contents.Int64Contents.Add(BitConverter.ToInt64(bytes, at)); break;
                case Datatype.Uint8: contents.UintContents.Add(bytes[at]); break;
                case Datatype.Uint16: contents.UintContents.Add(BitConverter.ToUInt16(bytes, at)); break;
                case Datatype.Uint32: contents.UintContents.Add(BitConverter.ToUInt32(bytes, at)); break;
                case Datatype.Uint64: contents.Uint64Contents.Add(BitConverter.ToUInt64(bytes, at)); break;
                case Datatype.Fp32: contents.Fp32Contents.Add(BitConverter.ToSingle(bytes, at)); break;
                case Datatype.Fp64: contents.Fp64Contents.Add(BitConverter.ToDouble(bytes, at)); break;
                default: throw new InvalidOperationException($"{sample.Datatype} has no typed form.");
            }
        }

        return contents;
    }
}
