using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Protocol;

/// <summary>A server with an echo of numbers and texts, a sum, and the bundled model with its signature.</summary>
public sealed class EchoFixture : IAsyncLifetime
{
    private readonly ServerFixture _fixture = new();

    internal RunningServer Server => _fixture.Server;

    public async ValueTask InitializeAsync()
    {
        await _fixture.InitializeAsync();
        var none = CancellationToken.None;
        await Server.DeployAsync("echo", [("model.onnx", SmallModels.Echo())], none);
        await Server.DeployAsync("plus", [("model.onnx", SmallModels.Plus(100))], none);
        var folder = Path.GetDirectoryName(Checkout.DigitsModel)!;
        await Server.DeployAsync(
            "digits", [.. new[] { "model.onnx", "labels.txt", "signature.yaml" }.Select(f => (f, File.ReadAllBytes(Path.Combine(folder, f))))], none);
    }

    public ValueTask DisposeAsync() => _fixture.DisposeAsync();
}
