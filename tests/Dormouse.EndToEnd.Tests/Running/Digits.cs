using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Inference;

namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>The bundled model with inputs whose answers differ, so that a wrong answer shows.</summary>
internal static class Digits
{
    public const int Kinds = 64;

    /// <summary>Pixel <paramref name="kind"/> is ink, the rest paper.</summary>
    public static Tensor Input(int kind)
    {
        var pixels = new float[64];
        pixels[kind % 64] = 1;
        return new Tensor("image", "FP32", [1, 1, 8, 8], [.. pixels.SelectMany(BitConverter.GetBytes)]);
    }

    public static Task<JsonNode> DeployAsync(RunningServer server, string endpoint, CancellationToken cancellationToken, JsonObject? settings = null, bool verify = true) =>
        server.DeployAsync(endpoint, Checkout.DigitsModel, cancellationToken, settings, verify);

    /// <summary>Scores of every kind, asked one by one.</summary>
    public static async Task<double[][]> AnswersAsync(RunningServer server, string endpoint, CancellationToken cancellationToken)
    {
        var answers = new double[Kinds][];
        for (var kind = 0; kind < Kinds; kind++)
        {
            answers[kind] = (await InferCall.SendAsync(server, endpoint, [Input(kind)], binary: true, cancellationToken))["scores"].Doubles();
        }

        return answers;
    }
}
