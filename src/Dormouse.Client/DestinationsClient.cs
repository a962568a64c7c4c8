using System.Globalization;
using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary>Where outcomes of asynchronous invocations go, and what is on its way there.</summary>
public sealed class DestinationsClient
{
    private readonly DormouseClient _client;

    internal DestinationsClient(DormouseClient client) => _client = client;

    public Task<DestinationList> ListAsync(CancellationToken cancellationToken = default) =>
        _client.GetAsync("api/v1/destinations", ControlJson.Default.DestinationList, cancellationToken);

    public Task<DestinationInfo> GetAsync(string name, CancellationToken cancellationToken = default) =>
        _client.GetAsync(Path(name), ControlJson.Default.DestinationInfo, cancellationToken);

    /// <summary>Makes one; only this answer holds its secret.</summary>
    public Task<DestinationInfo> CreateAsync(CreateDestinationRequest request, CancellationToken cancellationToken = default) => _client.SendAsync(
        HttpMethod.Post, "api/v1/destinations", request, ControlJson.Default.CreateDestinationRequest, ControlJson.Default.DestinationInfo, cancellationToken);

    /// <summary>Signs with a new secret from now on; only this answer holds it.</summary>
    public Task<DestinationInfo> RotateAsync(string name, RotateRequest request, CancellationToken cancellationToken = default) => _client.SendAsync(
        HttpMethod.Post, Path(name) + "/rotate", request, ControlJson.Default.RotateRequest, ControlJson.Default.DestinationInfo, cancellationToken);

    /// <summary>Sends to it again after it answered 410.</summary>
    public Task<DestinationInfo> EnableAsync(string name, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, Path(name) + "/enable", null, ControlJson.Default.DestinationInfo, cancellationToken);

    public Task DeleteAsync(string name, CancellationToken cancellationToken = default) => _client.SendAsync(HttpMethod.Delete, Path(name), cancellationToken);

    /// <summary>Says where the outcomes of an endpoint's asynchronous invocations go; null = nowhere.</summary>
    public Task<EndpointInfo> UseAsync(string endpoint, string? onSuccess, string? onFailure, CancellationToken cancellationToken = default) => _client.SendAsync(
        HttpMethod.Put, $"api/v1/endpoints/{DormouseClient.Escape(endpoint)}/destinations", new DestinationsRequest { OnSuccess = onSuccess, OnFailure = onFailure },
        ControlJson.Default.DestinationsRequest, ControlJson.Default.EndpointInfo, cancellationToken);

    /// <summary>One page of deliveries, newest first.</summary>
    /// <param name="to">A destination's name or "endpoint:NAME"; null = all.</param>
    /// <param name="state">As in <see cref="DeliveryInfo.State"/>; null = all.</param>
    /// <param name="limit">Most of them, 1 to 1,000.</param>
    /// <param name="pageToken"><see cref="DeliveryList.NextPageToken"/> of the page before; null = the first page.</param>
    public Task<DeliveryList> DeliveriesAsync(string? to = null, string? state = null, int limit = 100, string? pageToken = null, CancellationToken cancellationToken = default)
    {
        var query = string.Create(CultureInfo.InvariantCulture, $"api/v1/deliveries?limit={limit}");
        query += to is null ? "" : "&to=" + DormouseClient.Escape(to);
        query += state is null ? "" : "&state=" + DormouseClient.Escape(state);
        query += pageToken is null ? "" : "&page_token=" + DormouseClient.Escape(pageToken);
        return _client.GetAsync(query, ControlJson.Default.DeliveryList, cancellationToken);
    }

    /// <summary>Begins dead deliveries anew, the oldest first.</summary>
    public Task<RedriveAnswer> RedriveAsync(RedriveDeliveriesRequest request, CancellationToken cancellationToken = default) => _client.SendAsync(
        HttpMethod.Post, "api/v1/deliveries/redrive", request, ControlJson.Default.RedriveDeliveriesRequest, ControlJson.Default.RedriveAnswer, cancellationToken);

    private static string Path(string name) => "api/v1/destinations/" + DormouseClient.Escape(name);
}
