using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Inference;

/// <summary>One inference over HTTP in either form, and its outputs as tensors.</summary>
internal static class InferCall
{
    public static HttpRequestMessage Request(string endpoint, IReadOnlyList<Tensor> inputs, bool binary)
    {
        var all = string.Join(',', inputs.Select(t => t.Json(binary)));
        var json = Encoding.UTF8.GetBytes($$"""{"inputs":[{{all}}]{{(binary ? ",\"parameters\":{\"binary_data_output\":true}" : "")}}}""");
        var content = new ByteArrayContent(binary ? [.. json, .. inputs.SelectMany(t => t.Wire)] : json);
        content.Headers.ContentType = new MediaTypeHeaderValue(binary ? "application/octet-stream" : "application/json");
        if (binary)
        {
            content.Headers.Add("Inference-Header-Content-Length", json.Length.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        return new HttpRequestMessage(HttpMethod.Post, $"/v2/models/{endpoint}/infer") { Content = content };
    }

    public static async Task<IReadOnlyDictionary<string, Tensor>> SendAsync(RunningServer server, string endpoint, IReadOnlyList<Tensor> inputs, bool binary, CancellationToken cancellationToken)
    {
        using var request = Request(endpoint, inputs, binary);
        using var response = await server.Http.SendAsync(request, cancellationToken);
        var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"The inference answered {(int)response.StatusCode}: {Encoding.UTF8.GetString(body)}");
        return Parse(body, response.Headers.TryGetValues("Inference-Header-Content-Length", out var values) ? int.Parse(values.Single(), System.Globalization.CultureInfo.InvariantCulture) : body.Length);
    }

    private static Dictionary<string, Tensor> Parse(byte[] body, int jsonLength)
    {
        using var document = JsonDocument.Parse(body.AsMemory(0, jsonLength));
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var position = jsonLength;
        foreach (var output in document.RootElement.GetProperty("outputs").EnumerateArray())
        {
            var name = output.GetProperty("name").GetString()!;
            var datatype = output.GetProperty("datatype").GetString()!;
            var shape = output.GetProperty("shape").EnumerateArray().Select(e => e.GetInt64()).ToArray();
            if (output.TryGetProperty("parameters", out var parameters) && parameters.TryGetProperty("binary_data_size", out var size))
            {
                var raw = body[position..(position + size.GetInt32())];
                position += raw.Length;
                outputs[name] = datatype == "BYTES" ? new Tensor(name, datatype, shape, [], Texts(raw)) : new Tensor(name, datatype, shape, raw);
            }
            else
            {
                var data = output.GetProperty("data").EnumerateArray();
                outputs[name] = datatype == "BYTES"
                    ? new Tensor(name, datatype, shape, [], [.. data.Select(e => e.GetString()!)])
                    : Tensor.FromNumbers(name, datatype, shape, data);
            }
        }

        Assert.Equal(body.Length, position);
        return outputs;
    }

    private static string[] Texts(byte[] raw)
    {
        var texts = new List<string>();
        for (var at = 0; at < raw.Length;)
        {
            var length = MemoryMarshal.Read<int>(raw.AsSpan(at));
            texts.Add(Encoding.UTF8.GetString(raw, at + 4, length));
            at += 4 + length;
        }

        return [.. texts];
    }
}
