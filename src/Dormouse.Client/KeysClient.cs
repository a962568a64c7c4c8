using System.Collections.Immutable;
using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary><c>/api/v1/keys</c>.</summary>
public sealed class KeysClient
{
    private readonly DormouseClient _client;

    internal KeysClient(DormouseClient client) => _client = client;

    public Task<KeyList> ListAsync(CancellationToken cancellationToken = default) =>
        _client.GetAsync("api/v1/keys", ControlJson.Default.KeyList, cancellationToken);

    /// <summary>The answer holds the whole key, this once.</summary>
    public Task<KeyInfo> CreateAsync(string name, ImmutableArray<string> scopes, CancellationToken cancellationToken = default) =>
        _client.SendAsync(
            HttpMethod.Post, "api/v1/keys", new CreateKeyRequest(name, scopes), ControlJson.Default.CreateKeyRequest, ControlJson.Default.KeyInfo, cancellationToken);

    public Task RevokeAsync(string id, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Delete, "api/v1/keys/" + DormouseClient.Escape(id), cancellationToken);
}
