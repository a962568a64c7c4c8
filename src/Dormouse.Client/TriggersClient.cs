using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary>What feeds queues.</summary>
public sealed class TriggersClient
{
    private readonly DormouseClient _client;

    internal TriggersClient(DormouseClient client) => _client = client;

    /// <param name="endpoint">Only those of this endpoint; null = all.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<TriggerList> ListAsync(string? endpoint = null, CancellationToken cancellationToken = default) => _client.GetAsync(
        "api/v1/triggers" + (endpoint is null ? "" : "?endpoint=" + DormouseClient.Escape(endpoint)), ControlJson.Default.TriggerList, cancellationToken);

    public Task<TriggerInfo> GetAsync(string name, CancellationToken cancellationToken = default) => _client.GetAsync(Path(name), ControlJson.Default.TriggerInfo, cancellationToken);

    /// <summary>Makes it, or changes it to what is asked for.</summary>
    public Task<TriggerInfo> SetAsync(string name, TriggerRequest request, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Put, Path(name), request, ControlJson.Default.TriggerRequest, ControlJson.Default.TriggerInfo, cancellationToken);

    public Task<TriggerInfo> PauseAsync(string name, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, Path(name) + "/pause", null, ControlJson.Default.TriggerInfo, cancellationToken);

    public Task<TriggerInfo> ResumeAsync(string name, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, Path(name) + "/resume", null, ControlJson.Default.TriggerInfo, cancellationToken);

    /// <summary>Fires it once now.</summary>
    public Task<EventsAnswer> RunAsync(string name, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, Path(name) + "/run", null, ControlJson.Default.EventsAnswer, cancellationToken);

    public Task DeleteAsync(string name, CancellationToken cancellationToken = default) => _client.SendAsync(HttpMethod.Delete, Path(name), cancellationToken);

    private static string Path(string name) => "api/v1/triggers/" + DormouseClient.Escape(name);
}
