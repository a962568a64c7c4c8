using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>A model to measure with one input, in the forms it is sent.</summary>
internal sealed class Subject
{
    private Subject(string name, string path, string input, string datatype, long[] shape, byte[] raw, byte[] json)
    {
        (Name, Path, Input, Datatype, Shape, Raw, Json) = (name, path, input, datatype, shape, raw, json);
        var header = Encoding.UTF8.GetBytes(new JsonObject
        {
            ["inputs"] = new JsonArray(new JsonObject { ["name"] = input, ["shape"] = Numbers(shape), ["datatype"] = datatype, ["parameters"] = new JsonObject { ["binary_data_size"] = raw.Length } }),
            ["parameters"] = new JsonObject { ["binary_data_output"] = true },
        }.ToJsonString());
        HeaderLength = header.Length;
        Binary = [.. header, .. raw];
    }

    public string Name { get; }

    public string Path { get; }

    public string Input { get; }

    public string Datatype { get; }

    public long[] Shape { get; }

    /// <summary>The tensor's bytes.</summary>
    public byte[] Raw { get; }

    public byte[] Json { get; }

    public byte[] Binary { get; }

    public int HeaderLength { get; }

    /// <summary>The bundled model, and two of ../shared/data when they are there.</summary>
    public static IEnumerable<Subject> Find(string root)
    {
        yield return Floats("digits", System.IO.Path.Combine(root, "models/digits/model.onnx"), "image", [1, 1, 8, 8]);
        var data = System.IO.Path.Combine(root, "../shared/data/onnx");
        var mnist = System.IO.Path.Combine(data, "mnist/model.onnx");
        if (File.Exists(mnist))
        {
            yield return Floats("mnist", mnist, "Input3", [1, 1, 28, 28]);
        }

        var mobilenet = System.IO.Path.Combine(data, "mobilenet-v2-fp32/model.onnx");
        if (File.Exists(mobilenet))
        {
            var pixels = File.ReadAllBytes(System.IO.Path.Combine(data, "../inputs/tensors/parrot_224x224_rgb.u8.bin"));
            yield return Make("mobilenet", mobilenet, "input", "UINT8", [1, 224, 224, 3], pixels, string.Join(',', pixels));
        }
    }

    /// <summary>The same input several times in one request, for a model whose first dimension is free.</summary>
    public Subject Repeated(int count) =>
        new(Name, Path, Input, Datatype, [count * Shape[0], .. Shape.AsSpan(1)], [.. Enumerable.Repeat(Raw, count).SelectMany(r => r)], []);

    public HttpRequestMessage JsonRequest(string address, string? key = null) => Request(address, new ByteArrayContent(Json), "application/json", key);

    public HttpRequestMessage BinaryRequest(string address, string? key = null)
    {
        var content = new ByteArrayContent(Binary);
        content.Headers.Add("Inference-Header-Content-Length", HeaderLength.ToString(System.Globalization.CultureInfo.InvariantCulture));
        return Request(address, content, "application/octet-stream", key);
    }

    private static HttpRequestMessage Request(string address, HttpContent content, string type, string? key)
    {
        content.Headers.ContentType = new MediaTypeHeaderValue(type);
        var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = content };
        if (key is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        return request;
    }

    private static Subject Floats(string name, string path, string input, long[] shape)
    {
        var values = Enumerable.Range(0, (int)shape.Aggregate((a, b) => a * b)).Select(i => i % 7 * 0.125f).ToArray();
        var raw = new byte[values.Length * 4];
        Buffer.BlockCopy(values, 0, raw, 0, raw.Length);
        return Make(name, path, input, "FP32", shape, raw, string.Join(',', values.Select(v => v.ToString(System.Globalization.CultureInfo.InvariantCulture))));
    }

    private static Subject Make(string name, string path, string input, string datatype, long[] shape, byte[] raw, string data) =>
        new(name, path, input, datatype, shape, raw, Encoding.UTF8.GetBytes(
            $$"""{"inputs":[{"name":"{{input}}","shape":[{{string.Join(',', shape)}}],"datatype":"{{datatype}}","data":[{{data}}]}]}"""));

    private static JsonArray Numbers(long[] values) => [.. values.Select(v => JsonValue.Create(v))];
}
