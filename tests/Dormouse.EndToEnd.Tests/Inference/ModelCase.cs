using System.Text.Json;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Inference;

/// <summary>One case file of ../shared/data/onnx: inputs with known outputs (its README defines the members).</summary>
internal sealed class ModelCase : IDisposable
{
    private readonly JsonDocument _document;
    private readonly string _folder;

    private ModelCase(string path)
    {
        _document = JsonDocument.Parse(File.ReadAllBytes(path));
        _folder = Path.GetDirectoryName(path)!;
    }

    private JsonElement Root => _document.RootElement;

    public string ModelPath => Path.Combine(_folder, Root.GetProperty("model").GetString()!);

    /// <summary>The run must fail with an error for the caller.</summary>
    public bool ExpectsError => Root.TryGetProperty("expect_error", out _);

    public static ModelCase Load(string relative) => new(Checkout.Shared(Path.Combine("onnx", relative)));

    public IReadOnlyList<Tensor> Inputs() => [.. Root.GetProperty("inputs").EnumerateArray().Select(Input)];

    public void AssertOutputs(IReadOnlyDictionary<string, Tensor> answered)
    {
        var (relative, absolute) = (Root.GetProperty("rtol").GetDouble(), Root.GetProperty("atol").GetDouble());
        foreach (var expected in Root.GetProperty("outputs").EnumerateArray())
        {
            if (expected.TryGetProperty("file", out var file))
            {
                var proto = TensorProto.Read(File.ReadAllBytes(Path.Combine(_folder, file.GetString()!)), answered.Keys.Single());
                TensorAssert.Close(proto, answered.Values.Single(), relative, absolute);
                continue;
            }

            AssertOutput(expected, answered[expected.GetProperty("name").GetString()!], relative, absolute);
        }
    }

    public void Dispose() => _document.Dispose();

    private static void AssertOutput(JsonElement expected, Tensor actual, double relative, double absolute)
    {
        var datatype = expected.GetProperty("datatype").GetString()!;
        Assert.Equal(datatype, actual.Datatype);
        Assert.Equal(Shape(expected), actual.Shape);
        if (datatype == "BYTES")
        {
            Assert.Equal(expected.GetProperty("data").EnumerateArray().Select(e => e.GetString()), actual.Texts);
            return;
        }

        var values = actual.Doubles();
        if (expected.TryGetProperty("data", out var data))
        {
            TensorAssert.Close([.. data.EnumerateArray().Select(e => e.GetDouble())], values, relative, absolute, actual.Name);
        }

        if (expected.TryGetProperty("probe_index", out var probes))
        {
            var probed = probes.EnumerateArray().Select(e => values[e.GetInt64()]).ToArray();
            TensorAssert.Close([.. expected.GetProperty("probe_value").EnumerateArray().Select(e => e.GetDouble())], probed, relative, absolute, actual.Name);
        }

        if (expected.TryGetProperty("argmax", out var argmax))
        {
            Assert.Equal(argmax.GetInt32(), Array.IndexOf(values, values.Max()));
        }

        if (expected.TryGetProperty("argmax_per_row", out var rows))
        {
            var width = (int)actual.Shape[^1];
            Assert.Equal(rows.EnumerateArray().Select(e => e.GetInt32()), values.Chunk(width).Select(r => Array.IndexOf(r, r.Max())));
            TensorAssert.Close([.. expected.GetProperty("max_per_row").EnumerateArray().Select(e => e.GetDouble())], [.. values.Chunk(width).Select(r => r.Max())], relative, absolute, actual.Name);
        }
    }

    private Tensor Input(JsonElement input)
    {
        var name = input.GetProperty("name").GetString()!;
        var datatype = input.GetProperty("datatype").GetString()!;
        var shape = Shape(input);
        if (datatype == "BYTES")
        {
            return new Tensor(name, datatype, shape, [], [.. input.GetProperty("data").EnumerateArray().Select(e => e.GetString()!)]);
        }

        if (input.TryGetProperty("data", out var data))
        {
            return Tensor.FromNumbers(name, datatype, shape, data.EnumerateArray());
        }

        if (input.TryGetProperty("formula", out _))
        {
            var count = (int)shape.Aggregate((a, b) => a * b);
            return new Tensor(name, datatype, shape, [.. Enumerable.Range(0, count).SelectMany(i => BitConverter.GetBytes((float)i / count))]);
        }

        var files = input.TryGetProperty("files", out var list) ? list.EnumerateArray().Select(e => e.GetString()!) : [input.GetProperty("file").GetString()!];
        byte[] raw = [.. files.SelectMany(f => File.ReadAllBytes(Path.Combine(_folder, f)))];
        if (!input.TryGetProperty("file_datatype", out var stored) || stored.GetString() == datatype)
        {
            return new Tensor(name, datatype, shape, raw);
        }

        Assert.Equal("UINT8", stored.GetString());
        var (sub, div) = (Number(input, "sub", 0), Number(input, "div", 1));
        return new Tensor(name, datatype, shape, [.. raw.SelectMany(pixel => Tensor.Element(datatype, (pixel - sub) / div))]);
    }

    private static double Number(JsonElement element, string name, double otherwise) => element.TryGetProperty(name, out var value) ? value.GetDouble() : otherwise;

    private static long[] Shape(JsonElement element) => [.. element.GetProperty("shape").EnumerateArray().Select(e => e.GetInt64())];
}
