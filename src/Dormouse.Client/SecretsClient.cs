using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary><c>/api/v1/secrets</c>: values go in and never come out.</summary>
public sealed class SecretsClient
{
    private readonly DormouseClient _client;

    internal SecretsClient(DormouseClient client) => _client = client;

    public Task<SecretList> ListAsync(CancellationToken cancellationToken = default) => _client.GetAsync("api/v1/secrets", ControlJson.Default.SecretList, cancellationToken);

    /// <summary>Sets it, over the value before.</summary>
    public Task<SecretInfo> SetAsync(string name, ReadOnlyMemory<byte> value, CancellationToken cancellationToken = default) => _client.SendAsync(
        HttpMethod.Put, Path(name), new SecretRequest { Base64 = Convert.ToBase64String(value.Span) }, ControlJson.Default.SecretRequest, ControlJson.Default.SecretInfo, cancellationToken);

    /// <param name="name">Its name.</param>
    /// <param name="force">Also when revisions with traffic name it.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task DeleteAsync(string name, bool force, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Delete, Path(name) + (force ? "?force=true" : ""), cancellationToken);

    private static string Path(string name) => "api/v1/secrets/" + DormouseClient.Escape(name);
}
