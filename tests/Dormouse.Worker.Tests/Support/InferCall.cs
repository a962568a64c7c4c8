using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dormouse.Protocol;

namespace Dormouse.Worker.Tests.Support;

/// <summary>One tensor of a test, in the binary form.</summary>
internal sealed record TestTensor(string Name, string Datatype, long[] Shape, byte[] Data)
{
    internal static int ElementSize(string datatype) => datatype switch
    {
        "BOOL" or "UINT8" or "INT8" => 1,
        "UINT16" or "INT16" or "FP16" or "BF16" => 2,
        "UINT32" or "INT32" or "FP32" => 4,
        _ => 8,
    };

    /// <summary>Elements as the protocol's JSON has them.</summary>
    internal JsonArray ToJson()
    {
        var array = new JsonArray();
        if (Datatype == "BYTES")
        {
            foreach (var text in Texts(Data))
            {
                array.Add(text);
            }

            return array;
        }

        for (var i = 0; i < Data.Length; i += ElementSize(Datatype))
        {
            array.Add(Number(i));
        }

        return array;
    }

    internal double Value(int index) => Number(index * ElementSize(Datatype))!.GetValueKind() switch
    {
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        _ => double.Parse(Number(index * ElementSize(Datatype))!.ToJsonString(), CultureInfo.InvariantCulture),
    };

    internal int Count => Data.Length / ElementSize(Datatype);

    internal static IEnumerable<string> Texts(byte[] data)
    {
        for (var position = 0; position < data.Length;)
        {
            var length = BitConverter.ToInt32(data, position);
            yield return Encoding.UTF8.GetString(data, position + 4, length);
            position += 4 + length;
        }
    }

    private JsonValue? Number(int at) => Datatype switch
    {
        "BOOL" => JsonValue.Create(Data[at] != 0),
        "UINT8" => JsonValue.Create(Data[at]),
        "INT8" => JsonValue.Create((sbyte)Data[at]),
        "UINT16" => JsonValue.Create(BitConverter.ToUInt16(Data, at)),
        "INT16" => JsonValue.Create(BitConverter.ToInt16(Data, at)),
        "UINT32" => JsonValue.Create(BitConverter.ToUInt32(Data, at)),
        "INT32" => JsonValue.Create(BitConverter.ToInt32(Data, at)),
        "UINT64" => JsonValue.Create(BitConverter.ToUInt64(Data, at)),
        "INT64" => JsonValue.Create(BitConverter.ToInt64(Data, at)),
        "FP16" => JsonValue.Create((float)BitConverter.ToHalf(Data, at)),
        "FP32" => JsonValue.Create(BitConverter.ToSingle(Data, at)),
        "FP64" => JsonValue.Create(BitConverter.ToDouble(Data, at)),
        _ => throw new InvalidOperationException(Datatype),
    };
}

/// <summary>Inferences as a gateway forwards them, and their answers taken apart.</summary>
internal static class InferCall
{
    internal sealed record Answer(HttpResponseMessage Response, JsonNode Json, Dictionary<string, TestTensor> Outputs)
    {
        internal string Code => Json["code"]!.GetValue<string>();

        internal string Detail => Json["detail"]!.GetValue<string>();
    }

    internal static Task<Answer> JsonAsync(TestLauncher worker, IEnumerable<TestTensor> inputs, JsonArray? outputs = null)
    {
        var list = new JsonArray();
        foreach (var input in inputs)
        {
            list.Add(Head(input, "data", input.ToJson()));
        }

        var body = new JsonObject { ["inputs"] = list };
        if (outputs is not null)
        {
            body["outputs"] = outputs;
        }

        return SendAsync(worker, Encoding.UTF8.GetBytes(body.ToJsonString()), jsonLength: null);
    }

    internal static Task<Answer> BinaryAsync(TestLauncher worker, IReadOnlyCollection<TestTensor> inputs)
    {
        var list = new JsonArray();
        foreach (var input in inputs)
        {
            list.Add(Head(input, "parameters", new JsonObject { ["binary_data_size"] = input.Data.Length }));
        }

        var json = Encoding.UTF8.GetBytes(new JsonObject { ["inputs"] = list, ["parameters"] = new JsonObject { ["binary_data_output"] = true } }.ToJsonString());
        return SendAsync(worker, [.. json, .. inputs.SelectMany(i => i.Data)], json.Length);
    }

    internal static async Task<Answer> SendAsync(TestLauncher worker, byte[] body, int? jsonLength, string? contentEncoding = null)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue(jsonLength is null ? "application/json" : "application/octet-stream");
        if (contentEncoding is not null)
        {
            content.Headers.ContentEncoding.Add(contentEncoding);
        }

        using var request = new HttpRequestMessage(HttpMethod.Post, "infer") { Content = content };
        request.Headers.Add(DormouseHeaders.ModelName, "m");
        request.Headers.Add(DormouseHeaders.ModelVersion, "3");
        if (jsonLength is not null)
        {
            request.Headers.Add(DormouseHeaders.InferenceHeaderContentLength, jsonLength.Value.ToString(CultureInfo.InvariantCulture));
        }

        var response = await worker.Client.SendAsync(request, TestContext.Current.CancellationToken);
        return Take(response, await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
    }

    private static Answer Take(HttpResponseMessage response, byte[] body)
    {
        var jsonLength = response.Headers.TryGetValues(DormouseHeaders.InferenceHeaderContentLength, out var values)
            ? int.Parse(values.Single(), CultureInfo.InvariantCulture)
            : body.Length;
        var json = JsonNode.Parse(body.AsSpan(0, jsonLength))!;
        var outputs = new Dictionary<string, TestTensor>(StringComparer.Ordinal);
        var position = jsonLength;
        foreach (var output in json["outputs"]?.AsArray() ?? [])
        {
            var name = output!["name"]!.GetValue<string>();
            var datatype = output["datatype"]!.GetValue<string>();
            var shape = output["shape"]!.AsArray().Select(d => d!.GetValue<long>()).ToArray();
            byte[] data;
            if (output["parameters"]?["binary_data_size"] is { } size)
            {
                data = body.AsSpan(position, size.GetValue<int>()).ToArray();
                position += data.Length;
            }
            else
            {
                data = FromJson(datatype, output["data"]!.AsArray());
            }

            outputs[name] = new TestTensor(name, datatype, shape, data);
        }

        return new Answer(response, json, outputs);
    }

    internal static byte[] FromJson(string datatype, JsonArray data)
    {
        var bytes = new MemoryStream();
        foreach (var element in data)
        {
            var text = element!.ToJsonString();
            bytes.Write(datatype switch
            {
                "BOOL" => [text == "true" ? (byte)1 : (byte)0],
                "UINT8" => [byte.Parse(text, CultureInfo.InvariantCulture)],
                "INT8" => [(byte)sbyte.Parse(text, CultureInfo.InvariantCulture)],
                "UINT16" => BitConverter.GetBytes(ushort.Parse(text, CultureInfo.InvariantCulture)),
                "INT16" => BitConverter.GetBytes(short.Parse(text, CultureInfo.InvariantCulture)),
                "UINT32" => BitConverter.GetBytes(uint.Parse(text, CultureInfo.InvariantCulture)),
                "INT32" => BitConverter.GetBytes(int.Parse(text, CultureInfo.InvariantCulture)),
                "UINT64" => BitConverter.GetBytes(ulong.Parse(text, CultureInfo.InvariantCulture)),
                "INT64" => BitConverter.GetBytes(long.Parse(text, CultureInfo.InvariantCulture)),
                "FP32" => BitConverter.GetBytes(float.Parse(text, CultureInfo.InvariantCulture)),
                "FP64" => BitConverter.GetBytes(double.Parse(text, CultureInfo.InvariantCulture)),
                "BYTES" => Prefixed(Encoding.UTF8.GetBytes(element.GetValue<string>())),
                _ => throw new InvalidOperationException(datatype),
            });
        }

        return bytes.ToArray();
    }

    internal static byte[] Prefixed(byte[] element) => [.. BitConverter.GetBytes(element.Length), .. element];

    private static JsonObject Head(TestTensor tensor, string key, JsonNode value) => new()
    {
        ["name"] = tensor.Name,
        ["shape"] = new JsonArray([.. tensor.Shape.Select(d => (JsonNode)d)]),
        ["datatype"] = tensor.Datatype,
        [key] = value,
    };
}
