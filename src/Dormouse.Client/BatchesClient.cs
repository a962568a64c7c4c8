using System.Globalization;
using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary>Batch jobs.</summary>
public sealed class BatchesClient
{
    private readonly DormouseClient _client;

    internal BatchesClient(DormouseClient client) => _client = client;

    public Task<BatchInfo> CreateAsync(BatchRequest request, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, "api/v1/batches", request, ControlJson.Default.BatchRequest, ControlJson.Default.BatchInfo, cancellationToken);

    /// <summary>Newest first.</summary>
    public Task<BatchList> ListAsync(string? endpoint = null, string? state = null, int limit = 100, string? pageToken = null, CancellationToken cancellationToken = default) => _client.GetAsync(
        string.Create(CultureInfo.InvariantCulture, $"api/v1/batches?limit={limit}") + Part("endpoint", endpoint) + Part("state", state) + Part("page_token", pageToken),
        ControlJson.Default.BatchList, cancellationToken);

    public Task<BatchInfo> GetAsync(string id, CancellationToken cancellationToken = default) => _client.GetAsync(Path(id), ControlJson.Default.BatchInfo, cancellationToken);

    public Task<BatchInfo> PauseAsync(string id, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, Path(id) + "/pause", null, ControlJson.Default.BatchInfo, cancellationToken);

    /// <param name="maxFailures">The new error budget; null = as it was.</param>
    public Task<BatchInfo> ResumeAsync(string id, string? maxFailures = null, CancellationToken cancellationToken = default) => _client.SendAsync(
        HttpMethod.Post, Path(id) + "/resume", new ResumeBatchRequest(maxFailures), ControlJson.Default.ResumeBatchRequest, ControlJson.Default.BatchInfo, cancellationToken);

    public Task<BatchInfo> CancelAsync(string id, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, Path(id) + "/cancel", null, ControlJson.Default.BatchInfo, cancellationToken);

    public Task DeleteAsync(string id, CancellationToken cancellationToken = default) => _client.SendAsync(HttpMethod.Delete, Path(id), cancellationToken);

    /// <summary>Copies its results, as far as they are.</summary>
    public async Task ResultsAsync(string id, bool isCsv, Stream to, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(to);
        using var request = new HttpRequestMessage(HttpMethod.Get, Path(id) + (isCsv ? "/results?format=csv" : "/results"));
        using var response = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
        await _client.ThrowIfRefusedAsync(response, cancellationToken).ConfigureAwait(false);
        await response.Content.CopyToAsync(to, cancellationToken).ConfigureAwait(false);
    }

    private static string Path(string id) => "api/v1/batches/" + DormouseClient.Escape(id);

    private static string Part(string name, string? value) => value is null ? "" : $"&{name}={Uri.EscapeDataString(value)}";
}
