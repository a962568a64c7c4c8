using System.Buffers.Binary;
using System.Text.Json.Nodes;

namespace Dormouse.Worker.Tests.Support;

/// <summary>A case file of <c>../shared/data/onnx</c>: inputs, and what a right answer looks like.</summary>
internal sealed class CaseFile
{
    private readonly string _folder;
    private readonly JsonObject _case;

    internal CaseFile(string path)
    {
        _folder = Path.GetDirectoryName(path)!;
        _case = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
    }

    internal string Model => _case["model"]?.GetValue<string>() ?? "model.onnx";

    internal string? ExpectedError => _case["expect_error"]?.GetValue<string>();

    internal bool HasOutputs => _case["outputs"] is not null;

    internal List<TestTensor> Inputs() => [.. _case["inputs"]!.AsArray().Select(i => Input(i!.AsObject()))];

    /// <summary>Throws an assertion with case, output and position where the answer differs.</summary>
    internal void Check(Dictionary<string, TestTensor> outputs, string where)
    {
        var relative = _case["rtol"]?.GetValue<double>() ?? 1e-3;
        var absolute = _case["atol"]?.GetValue<double>() ?? 1e-4;
        foreach (var node in _case["outputs"]!.AsArray())
        {
            var expected = node!.AsObject();
            var actual = expected["name"] is { } name ? outputs[name.GetValue<string>()] : outputs.Values.Single();
            if (expected["file"] is { } file)
            {
                Compare(Floats(File.ReadAllBytes(Path.Combine(_folder, file.GetValue<string>()))), actual);
                continue;
            }

            Assert.Equal(expected["shape"]!.AsArray().Select(d => d!.GetValue<long>()), actual.Shape);
            Assert.Equal(expected["datatype"]!.GetValue<string>(), actual.Datatype);
            if (actual.Datatype == "BYTES")
            {
                Assert.Equal(expected["data"]!.AsArray().Select(d => d!.GetValue<string>()), TestTensor.Texts(actual.Data));
                continue;
            }

            if (expected["data"] is { } data)
            {
                Compare([.. data.AsArray().Select(Double)], actual);
            }

            if (expected["probe_index"] is { } probes)
            {
                var values = expected["probe_value"]!.AsArray();
                for (var i = 0; i < values.Count; i++)
                {
                    Near(Double(values[i]), actual.Value((int)Double(probes[i])), $"{where} {actual.Name} probe {i}");
                }
            }

            if (expected["argmax"] is { } best)
            {
                Assert.Equal((int)Double(best), Enumerable.Range(0, actual.Count).MaxBy(actual.Value));
            }
        }

        void Compare(double[] expected, TestTensor actual)
        {
            Assert.Equal(expected.Length, actual.Count);
            for (var i = 0; i < expected.Length; i++)
            {
                Near(expected[i], actual.Value(i), $"{where} {actual.Name}[{i}]");
            }
        }

        void Near(double expected, double actual, string place) =>
            Assert.True(Math.Abs(actual - expected) <= absolute + (relative * Math.Abs(expected)), $"{place}: expected {expected}, got {actual}");
    }

    private TestTensor Input(JsonObject input)
    {
        var name = input["name"]!.GetValue<string>();
        var datatype = input["datatype"]!.GetValue<string>();
        var shape = input["shape"]!.AsArray().Select(d => d!.GetValue<long>()).ToArray();
        if (input["data"] is { } data)
        {
            return new TestTensor(name, datatype, shape, InferCall.FromJson(datatype, data.AsArray()));
        }

        if (input["formula"] is not null)
        {
            // The only formula in use: value[i] = i ÷ count.
            var count = (int)shape.Aggregate(1L, (a, b) => a * b);
            return new TestTensor(name, datatype, shape, [.. Enumerable.Range(0, count).SelectMany(i => BitConverter.GetBytes((float)i / count))]);
        }

        var files = input["files"]?.AsArray().Select(f => f!.GetValue<string>()) ?? [input["file"]!.GetValue<string>()];
        var raw = files.SelectMany(f => File.ReadAllBytes(Path.Combine(_folder, f))).ToArray();
        if (input["file_datatype"]?.GetValue<string>() is "UINT8" && datatype == "FP32")
        {
            var subtract = Scalar(input["sub"], 0);
            var divide = Scalar(input["div"], 1);
            raw = [.. raw.SelectMany(b => BitConverter.GetBytes((float)((b - subtract) / divide)))];
        }

        return new TestTensor(name, datatype, shape, raw);
    }

    private static double Scalar(JsonNode? node, double missing) => node is null ? missing : Double(node);

    private static double Double(JsonNode? node) => double.Parse(node!.ToJsonString(), System.Globalization.CultureInfo.InvariantCulture);

    // TensorProto: raw_data is field 9, or floats packed in field 4.
    private static double[] Floats(byte[] tensor)
    {
        for (var position = 0; position < tensor.Length;)
        {
            var tag = Varint(tensor, ref position);
            if ((tag & 7) == 0)
            {
                Varint(tensor, ref position);
                continue;
            }

            var length = (int)Varint(tensor, ref position);
            if (tag >> 3 is 9 or 4)
            {
                return [.. Enumerable.Range(0, length / 4).Select(i => (double)BinaryPrimitives.ReadSingleLittleEndian(tensor.AsSpan(position + (4 * i))))];
            }

            position += length;
        }

        throw new InvalidOperationException("The tensor has no data.");
    }

    private static ulong Varint(byte[] bytes, ref int position)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var part = bytes[position++];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
            {
                return value;
            }
        }
    }
}
