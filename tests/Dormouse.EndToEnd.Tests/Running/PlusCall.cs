using System.Text.Json.Nodes;

namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>A call of <see cref="SmallModels.Plus"/>: which revision answered, and what.</summary>
internal sealed record PlusCall(int Version, double Value)
{
    public static async Task<PlusCall> SendAsync(RunningServer server, string endpoint, int x, CancellationToken cancellationToken, string? version = null)
    {
        var path = version is null ? $"/v2/models/{endpoint}/infer" : $"/v2/models/{endpoint}/versions/{version}/infer";
        using var response = await server.PostAsync(path, Body(x), cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"{path} answered {(int)response.StatusCode}: {text}");
        var answer = JsonNode.Parse(text)!;
        return new PlusCall(
            int.Parse(answer["model_version"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture),
            answer["outputs"]![0]!["data"]![0]!.GetValue<double>());
    }

    public static JsonObject Body(int x) => new()
    {
        ["inputs"] = new JsonArray(new JsonObject { ["name"] = "x", ["shape"] = new JsonArray(1), ["datatype"] = "FP32", ["data"] = new JsonArray(x) }),
    };
}
