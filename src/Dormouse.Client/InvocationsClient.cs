namespace Dormouse.Client;

/// <summary>
/// The data plane as it is: bodies pass unread both ways, so JSON and binary tensors, pictures and streams all fit. The answer is returned
/// whatever its status; <see cref="InvocationTrace.Of"/> reads where its time went.
/// </summary>
public sealed class InvocationsClient
{
    private readonly DormouseClient _client;

    internal InvocationsClient(DormouseClient client) => _client = client;

    /// <summary><c>POST /v2/models/{model}/infer</c> (Open Inference Protocol).</summary>
    /// <param name="revision">A revision ("r3", "3") or a tag; null = by traffic.</param>
    /// <param name="headers">Sent as they are.</param>
    /// <returns>Headers are here, the body streams; the caller disposes it.</returns>
    public Task<HttpResponseMessage> InferAsync(
        string model, HttpContent body, string? revision = null, IEnumerable<KeyValuePair<string, string>>? headers = null, CancellationToken cancellationToken = default)
    {
        var version = revision is null ? "" : "/versions/" + DormouseClient.Escape(revision);
        return SendAsync(HttpMethod.Post, $"v2/models/{DormouseClient.Escape(model)}{version}/infer", body, headers ?? [], cancellationToken);
    }

    /// <summary>Any HTTP request to <c>/invoke/{endpoint}/{path}</c>.</summary>
    /// <param name="path">Path and query after the endpoint's name, without the leading slash.</param>
    /// <param name="headers">Sent as they are.</param>
    /// <exception cref="ArgumentException"><paramref name="path"/> leads out of the endpoint's own address ("../").</exception>
    public Task<HttpResponseMessage> InvokeAsync(
        string endpoint, HttpMethod method, string path, HttpContent? body, IEnumerable<KeyValuePair<string, string>>? headers = null, CancellationToken cancellationToken = default)
    {
        var rest = path.TrimStart('/');
        var address = "invoke/" + DormouseClient.Escape(endpoint) + (rest.Length == 0 ? "" : rest[0] == '?' ? rest : "/" + rest);
        // As it will be asked for: dots, also encoded ones, and backslashes are resolved by the address, not by the server.
        var own = new Uri(_client.Server, "invoke/" + DormouseClient.Escape(endpoint)).AbsolutePath;
        var asked = new Uri(_client.Server, address).AbsolutePath;
        return asked == own || asked.StartsWith(own + "/", StringComparison.Ordinal)
            ? SendAsync(method, address, body, headers ?? [], cancellationToken)
            : throw new ArgumentException($"'{path}' leads out of the endpoint's own address.", nameof(path));
    }

    /// <summary>Throws the problem of an answer that is no success.</summary>
    public Task EnsureSuccessAsync(HttpResponseMessage response, CancellationToken cancellationToken = default) => _client.ThrowIfRefusedAsync(response, cancellationToken);

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string address, HttpContent? body, IEnumerable<KeyValuePair<string, string>> headers, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, address) { Content = body };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
            {
                request.Content ??= new ByteArrayContent([]);
                request.Content.Headers.Remove(name);
                request.Content.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }
}
