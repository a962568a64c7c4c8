using System.Globalization;
using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary>Asynchronous invocations: sent with <c>Dormouse-Mode: async</c>, asked for here.</summary>
public sealed class QueueClient
{
    private readonly DormouseClient _client;

    internal QueueClient(DormouseClient client) => _client = client;

    /// <summary>Where it stands.</summary>
    /// <param name="wait">The server answers when it has ended, or after this time; up to 60 s.</param>
    public Task<ReceiptInfo> GetAsync(string invocationId, TimeSpan wait = default, CancellationToken cancellationToken = default) =>
        _client.GetAsync(Path(invocationId) + Wait(wait), ControlJson.Default.ReceiptInfo, cancellationToken);

    /// <summary>Its kept answer as it is, whatever its status.</summary>
    /// <returns>Headers are here, the body streams; the caller disposes it.</returns>
    public async Task<HttpResponseMessage> ResultAsync(string invocationId, TimeSpan wait = default, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Path(invocationId) + "/result" + Wait(wait));
        return await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Cancels it while it waits or runs.</summary>
    public Task<ReceiptInfo> CancelAsync(string invocationId, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, Path(invocationId) + "/cancel", null, ControlJson.Default.ReceiptInfo, cancellationToken);

    /// <summary>Runs one that did not succeed anew.</summary>
    public Task<ReceiptInfo> RedriveAsync(string invocationId, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, Path(invocationId) + "/redrive", null, ControlJson.Default.ReceiptInfo, cancellationToken);

    /// <summary>Replaces the body of one that ended without success; <see cref="RedriveAsync"/> then runs it.</summary>
    /// <param name="body">As it is sent to the endpoint, byte for byte, with the headers that describe it (Content-Type and the like).</param>
    public Task<ReceiptInfo> ReplaceBodyAsync(string invocationId, HttpContent body, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Put, Path(invocationId) + "/body", body, ControlJson.Default.ReceiptInfo, cancellationToken);

    /// <summary>Changes headers and query of one that ended without success.</summary>
    public Task<ReceiptInfo> ChangeRequestAsync(string invocationId, RequestPatch patch, CancellationToken cancellationToken = default) => _client.SendAsync(
        HttpMethod.Patch, Path(invocationId) + "/request", patch, ControlJson.Default.RequestPatch, ControlJson.Default.ReceiptInfo, cancellationToken);

    /// <summary>What its endpoint gets, without the body.</summary>
    /// <param name="beforeEdit">As it was before this edit (<see cref="QueueEditInfo.Number"/>; 1 = as it was accepted); null = as it is.</param>
    public Task<QueuedRequestInfo> RequestAsync(string invocationId, int? beforeEdit = null, CancellationToken cancellationToken = default) =>
        _client.GetAsync(Path(invocationId) + "/request" + Before(beforeEdit), ControlJson.Default.QueuedRequestInfo, cancellationToken);

    /// <summary>Its body as it was sent.</summary>
    /// <param name="beforeEdit">As of <see cref="RequestAsync"/>.</param>
    /// <returns>Headers are here, the body streams; the caller disposes it.</returns>
    public async Task<HttpResponseMessage> BodyAsync(string invocationId, int? beforeEdit = null, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Path(invocationId) + "/body" + Before(beforeEdit));
        return await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>One page, newest first.</summary>
    /// <param name="endpoint">Name, or id of a deleted one; null = all.</param>
    /// <param name="state">As in <see cref="QueueInfo.State"/>; null = all.</param>
    /// <param name="limit">Most of them, 1 to 1,000.</param>
    /// <param name="pageToken"><see cref="QueueList.NextPageToken"/> of the page before; null = the first page.</param>
    public Task<QueueList> ListAsync(string? endpoint = null, string? state = null, int limit = 100, string? pageToken = null, CancellationToken cancellationToken = default)
    {
        var query = string.Create(CultureInfo.InvariantCulture, $"api/v1/queue?limit={limit}");
        query += endpoint is null ? "" : "&endpoint=" + DormouseClient.Escape(endpoint);
        query += state is null ? "" : "&state=" + DormouseClient.Escape(state);
        query += pageToken is null ? "" : "&page_token=" + DormouseClient.Escape(pageToken);
        return _client.GetAsync(query, ControlJson.Default.QueueList, cancellationToken);
    }

    /// <summary>How many of each endpoint wait, run or are dead letters, and how long the one that is due longest has waited.</summary>
    /// <param name="endpoint">Name, or id of a deleted one; null = all.</param>
    public Task<QueueDepthList> DepthsAsync(string? endpoint = null, CancellationToken cancellationToken = default) =>
        _client.GetAsync("api/v1/queue/depths" + (endpoint is null ? "" : "?endpoint=" + DormouseClient.Escape(endpoint)), ControlJson.Default.QueueDepthList, cancellationToken);

    /// <summary>Runs dead letters anew, the oldest first.</summary>
    /// <param name="endpoint">Name, or id of a deleted one; null = all.</param>
    /// <param name="limit">Most of them, 1 to 10,000; null = 1,000.</param>
    public Task<RedriveAnswer> RedriveDeadAsync(string? endpoint = null, int? limit = null, CancellationToken cancellationToken = default) => _client.SendAsync(
        HttpMethod.Post, "api/v1/queue/redrive", new RedriveRequest { Endpoint = endpoint, Limit = limit },
        ControlJson.Default.RedriveRequest, ControlJson.Default.RedriveAnswer, cancellationToken);

    private static string Path(string invocationId) => "api/v1/invocations/" + DormouseClient.Escape(invocationId);

    private static string Before(int? edit) => edit is { } number ? string.Create(CultureInfo.InvariantCulture, $"?before={number}") : "";

    private static string Wait(TimeSpan wait) => wait <= TimeSpan.Zero ? "" : string.Create(CultureInfo.InvariantCulture, $"?wait={(long)wait.TotalMilliseconds}ms");
}
