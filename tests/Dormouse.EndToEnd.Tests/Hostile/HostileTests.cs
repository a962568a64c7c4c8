using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>The tests of one attacked server; one after another, so that a fault is found where it was caused.</summary>
[CollectionDefinition(nameof(HostileCollection))]
public sealed class HostileCollection : ICollectionFixture<HostileServer>;

/// <summary>A row of bad input. When it is through, the server runs and its neighbour is answered right: else the row has failed.</summary>
[Collection(nameof(HostileCollection))]
public abstract class HostileTests(HostileServer hostile) : IAsyncDisposable
{
    internal RunningServer Server => hostile.Server;

    protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await hostile.AssertUnharmedAsync(Cancelled);
        GC.SuppressFinalize(this);
    }

    internal async Task DeployAsync(string endpoint, byte[] model, JsonObject? settings = null, bool verify = true)
    {
        // A test that shares its endpoint with other rows deploys it once.
        if (await Server.Http.GetAsync(new Uri($"/api/v1/endpoints/{endpoint}", UriKind.Relative), Cancelled) is { IsSuccessStatusCode: false })
        {
            await Server.DeployAsync(endpoint, [("model.onnx", model)], Cancelled, settings, verify);
        }
    }

    /// <summary>The endpoint 'pictures': the shipped digits with their signature.</summary>
    internal async Task DeployPicturesAsync()
    {
        if (await Server.Http.GetAsync(new Uri("/api/v1/endpoints/pictures", UriKind.Relative), Cancelled) is { IsSuccessStatusCode: false })
        {
            var folder = Path.GetDirectoryName(Checkout.DigitsModel)!;
            await Server.DeployAsync(
                "pictures",
                ((string[])["model.onnx", "signature.yaml", "labels.txt"]).Select(f => (f, File.ReadAllBytes(Path.Combine(folder, f)))),
                Cancelled);
        }
    }

    internal Task<HttpResponseMessage> InferAsync(string endpoint, params Tensor[] inputs) =>
        Server.Http.SendAsync(InferCall.Request(endpoint, inputs, binary: true), Cancelled);

    /// <summary>A body as it is, to an inference address.</summary>
    internal Task<HttpResponseMessage> InferAsync(string endpoint, byte[] body, string? jsonLength = null, string contentType = "application/json")
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue(contentType);
        if (jsonLength is not null)
        {
            content.Headers.TryAddWithoutValidation("Inference-Header-Content-Length", jsonLength);
        }

        return Server.Http.PostAsync(new Uri($"/v2/models/{endpoint}/infer", UriKind.Relative), content, Cancelled);
    }

    internal Task<HttpResponseMessage> InferAsync(string endpoint, string body) => InferAsync(endpoint, Encoding.UTF8.GetBytes(body));

    internal static Tensor Int64(string name, params long[] values) => new(name, "INT64", [values.Length], [.. values.SelectMany(BitConverter.GetBytes)]);
}
