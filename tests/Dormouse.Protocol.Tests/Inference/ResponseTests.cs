using System.Buffers;
using System.Text;
using System.Text.Json;
using CsCheck;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Google.Protobuf;
using Wire = Dormouse.Protocol.Inference.Wire;

namespace Dormouse.Protocol.Tests.Inference;

/// <summary>Answers, read back with other readers than ours.</summary>
public sealed class ResponseTests
{
    [Fact]
    public void An_answer_read_back_is_the_answer_in_JSON_binary_and_protobuf()
    {
        Gen.Int.Sample(seed =>
        {
            var random = new Random(seed);
            var samples = new List<TensorSample>();
            var response = new InferResponse
            {
                ModelName = "m\"ö",
                ModelVersion = "3",
                Id = random.Next(2) == 0 ? "id\n1" : null,
                Parameters = random.Next(2) == 0 ? new Dictionary<string, ParameterValue> { ["t"] = new ParameterValue.Text("v"), ["n"] = new ParameterValue.Integer(-5) } : null,
            };
            for (var i = random.Next(0, 4); i > 0; i--)
            {
                var sample = TensorSample.Draw(random, (Datatype)random.Next(14));
                samples.Add(sample);
                response.Outputs.Add(Output($"o{i}", sample, binary: sample.Datatype.IsBinaryOnly() || random.Next(2) == 0));
            }

            AssertRest(response, samples);
            AssertProto(response, samples);
        }, iter: 2000);
    }

    [Fact]
    public void An_answer_has_the_members_of_the_protocol_and_an_id_only_when_one_was_given()
    {
        var response = new InferResponse { ModelName = "m", ModelVersion = "1" };
        response.Outputs.Add(new OutputTensor { Name = "y", Datatype = Datatype.Fp32, Shape = [1, 2], Data = Bytes(1f, 0.1f) });
        response.Outputs.Add(new OutputTensor { Name = "z", Datatype = Datatype.Fp32, Shape = [1], Data = Bytes(2f), Binary = true });

        var (json, rest, length) = Write(response);

        Assert.Equal("""{"model_name":"m","model_version":"1","outputs":[{"name":"y","shape":[1,2],"datatype":"FP32","data":[1,0.1]},{"name":"z","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}]}""", json);
        Assert.Equal(json.Length, length);
        Assert.Equal(Bytes(2f), rest);
    }

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(float.PositiveInfinity, "infinity")]
    [InlineData(float.NegativeInfinity, "minus infinity")]
    public void What_is_no_number_in_JSON_asks_for_binary_and_goes_there(float value, string word)
    {
        foreach (var (datatype, data) in ((Datatype, byte[])[])[(Datatype.Fp32, Bytes(1f, value)), (Datatype.Fp64, [.. BitConverter.GetBytes(1.0), .. BitConverter.GetBytes((double)value)])])
        {
            AssertNotJson(new OutputTensor { Name = "y", Datatype = datatype, Shape = [2], Data = data }, $"output 'y' has {word} in element 1");

            var response = new InferResponse { ModelName = "m", ModelVersion = "1" };
            response.Outputs.Add(new OutputTensor { Name = "y", Datatype = datatype, Shape = [2], Data = data, Binary = true });
            Assert.Equal(data, Write(response).Binary);
        }
    }

    [Fact]
    public void Bytes_that_are_no_text_and_sixteen_bit_floats_ask_for_binary()
    {
        // Each half of a character alone is no text, even where both together would be.
        var halves = new TensorBytes(new byte[] { 0xC3, 0xA9 }, new[] { 0, 1, 2 });

        AssertNotJson(new OutputTensor { Name = "y", Datatype = Datatype.Bytes, Shape = [2], Strings = halves }, "not UTF-8");
        AssertNotJson(new OutputTensor { Name = "y", Datatype = Datatype.Fp16, Shape = [1], Data = new byte[2] }, "is FP16");
        AssertNotJson(new OutputTensor { Name = "y", Datatype = Datatype.Bf16, Shape = [0] }, "is BF16");
    }

    [Fact]
    public void Large_answers_are_written_through_many_small_buffers()
    {
        var values = Enumerable.Range(0, 50_000).Select(i => i / 7f).ToArray();
        var response = new InferResponse { ModelName = "m", ModelVersion = "1" };
        response.Outputs.Add(new OutputTensor { Name = "y", Datatype = Datatype.Fp32, Shape = [50_000], Data = Bytes(values) });
        response.Outputs.Add(new OutputTensor { Name = "s", Datatype = Datatype.Bytes, Shape = [1], Strings = TensorBytes.FromStrings(new string('x', 100_000)) });

        using var document = JsonDocument.Parse(Write(response).Json);

        Assert.Equal(values, document.RootElement.GetProperty("outputs")[0].GetProperty("data").EnumerateArray().Select(e => e.GetSingle()));
        Assert.Equal(100_000, document.RootElement.GetProperty("outputs")[1].GetProperty("data")[0].GetString()!.Length);
    }

    private static void AssertRest(InferResponse response, List<TensorSample> samples)
    {
        var (json, rest, length) = Write(response);
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        Assert.Equal(response.ModelName, root.GetProperty("model_name").GetString());
        Assert.Equal("3", root.GetProperty("model_version").GetString());
        Assert.Equal(response.Id, root.TryGetProperty("id", out var id) ? id.GetString() : null);
        if (response.Parameters is not null) Assert.Equal(-5, root.GetProperty("parameters").GetProperty("n").GetInt32());
        Assert.Equal(response.Outputs.Any(o => o.Binary), length is not null);

        var outputs = root.GetProperty("outputs").EnumerateArray().ToArray();
        Assert.Equal(samples.Count, outputs.Length);
        for (var i = 0; i < outputs.Length; i++)
        {
            Assert.Equal(response.Outputs[i].Name, outputs[i].GetProperty("name").GetString());
            Assert.Equal(samples[i].Datatype.Name(), outputs[i].GetProperty("datatype").GetString());
            Assert.Equal(samples[i].Shape, outputs[i].GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()));
            if (response.Outputs[i].Binary)
            {
                var size = outputs[i].GetProperty("parameters").GetProperty("binary_data_size").GetInt32();
                Assert.False(outputs[i].TryGetProperty("data", out _));
                Assert.Equal(samples[i].Binary, rest[..size]);
                rest = rest[size..];
            }
            else
            {
                var again = Requests.One(samples[i].Datatype.Name(), samples[i].ShapeText, outputs[i].GetProperty("data").GetRawText());
                Assert.Equal(samples[i].Binary, JsonOracle.Read(Encoding.UTF8.GetBytes(again), samples[i].Info));
            }
        }

        Assert.Empty(rest);
    }

    private static void AssertProto(InferResponse response, List<TensorSample> samples)
    {
        var buffer = new ArrayBufferWriter<byte>();
        InferProtoWriter.Write(response, buffer);
        var message = Wire.ModelInferResponse.Parser.ParseFrom(buffer.WrittenSpan);

        Assert.Equal(response.ModelName, message.ModelName);
        Assert.Equal("3", message.ModelVersion);
        Assert.Equal(response.Id ?? "", message.Id);
        Assert.Equal(response.Parameters?.Count ?? 0, message.Parameters.Count);
        if (response.Parameters is not null) Assert.Equal((-5, "v"), (message.Parameters["n"].Int64Param, message.Parameters["t"].StringParam));
        Assert.Equal(samples.Select(s => s.Datatype.Name()), message.Outputs.Select(o => o.Datatype));
        Assert.Equal(response.Outputs.Select(o => o.Name), message.Outputs.Select(o => o.Name));
        Assert.Equal(samples.Select(s => s.Shape), message.Outputs.Select(o => o.Shape.ToArray()));
        Assert.All(message.Outputs, o => Assert.Null(o.Contents));
        Assert.Equal(samples.Select(s => ByteString.CopyFrom(s.Binary)), message.RawOutputContents);
        Assert.Equal(message.CalculateSize(), buffer.WrittenCount);
    }

    private static void AssertNotJson(OutputTensor output, string words)
    {
        var response = new InferResponse { ModelName = "m", ModelVersion = "1" };
        response.Outputs.Add(output);
        var buffer = new ArrayBufferWriter<byte>();
        var refusal = Assert.Throws<InferenceException>(() => InferResponseWriter.Write(response, buffer));

        Assert.Equal(ProblemCode.OutputNotJson, refusal.Code);
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("'binary_data': true", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(0, buffer.WrittenCount);
    }

    private static OutputTensor Output(string name, TensorSample sample, bool binary)
    {
        if (sample.Datatype != Datatype.Bytes) return new() { Name = name, Datatype = sample.Datatype, Shape = sample.Shape, Data = sample.Binary, Binary = binary };
        var strings = new TensorBytesBuilder(0);
        for (var position = 0; position < sample.Binary.Length;)
        {
            var length = BitConverter.ToInt32(sample.Binary, position);
            strings.Add(sample.Binary.AsSpan(position + 4, length));
            position += 4 + length;
        }

        return new() { Name = name, Datatype = sample.Datatype, Shape = sample.Shape, Strings = strings.Build(), Binary = binary };
    }

    private static (string Json, byte[] Binary, int? Length) Write(InferResponse response)
    {
        var buffer = new SmallSteps();
        var length = InferResponseWriter.Write(response, buffer);
        var all = buffer.ToArray();
        var json = all[..(length ?? all.Length)];
        return (Encoding.UTF8.GetString(json), all[json.Length..], length);
    }

    private static byte[] Bytes(params float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    /// <summary>Gives each time exactly the room that was asked for, in fresh memory, as a pipe may.</summary>
    private sealed class SmallSteps : IBufferWriter<byte>
    {
        private readonly MemoryStream _written = new();
        private byte[] _given = [];

        public void Advance(int count) => _written.Write(_given, 0, count);

        public Memory<byte> GetMemory(int sizeHint = 0) => _given = new byte[Math.Max(1, sizeHint)];

        public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public byte[] ToArray() => _written.ToArray();
    }
}
