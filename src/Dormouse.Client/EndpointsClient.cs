using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary><c>/api/v1/endpoints</c>.</summary>
public sealed class EndpointsClient
{
    private readonly DormouseClient _client;

    internal EndpointsClient(DormouseClient client) => _client = client;

    /// <summary>All endpoints, page after page.</summary>
    public async Task<EndpointList> ListAsync(CancellationToken cancellationToken = default)
    {
        var all = ImmutableArray.CreateBuilder<EndpointInfo>();
        string? token = null;
        do
        {
            var page = await PageAsync(token, null, cancellationToken).ConfigureAwait(false);
            all.AddRange(page.Endpoints);
            token = page.NextPageToken;
        }
        while (token is not null);
        return new EndpointList(all.ToImmutable());
    }

    /// <summary>One page in order of name.</summary>
    /// <param name="pageToken"><see cref="EndpointList.NextPageToken"/> of the page before; null = the first page.</param>
    /// <param name="limit">Most endpoints, 1 to 1,000; null = as many as the server gives at once.</param>
    public Task<EndpointList> PageAsync(string? pageToken = null, int? limit = null, CancellationToken cancellationToken = default)
    {
        string[] query =
        [
            .. limit is { } most ? [string.Create(CultureInfo.InvariantCulture, $"limit={most}")] : Array.Empty<string>(),
            .. pageToken is null ? Array.Empty<string>() : ["page_token=" + DormouseClient.Escape(pageToken)],
        ];
        return _client.GetAsync("api/v1/endpoints" + (query.Length == 0 ? "" : "?" + string.Join('&', query)), ControlJson.Default.EndpointList, cancellationToken);
    }

    public Task<EndpointInfo> GetAsync(string name, CancellationToken cancellationToken = default) =>
        _client.GetAsync(Path(name), ControlJson.Default.EndpointInfo, cancellationToken);

    /// <summary>Null when there is no such endpoint.</summary>
    public async Task<EndpointInfo?> FindAsync(string name, CancellationToken cancellationToken = default)
    {
        try
        {
            return await GetAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (DormouseException e) when (e.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>Makes a new revision of uploaded files; the endpoint too when the name is free.</summary>
    /// <param name="wait">Answer when verifying has ended; a refused model is an exception (<c>model_invalid</c>).</param>
    public Task<RevisionInfo> DeployAsync(string name, DeployRequest request, bool wait = true, CancellationToken cancellationToken = default) =>
        _client.SendAsync(
            HttpMethod.Post, $"{Path(name)}/revisions?wait={(wait ? "true" : "false")}", request, ControlJson.Default.DeployRequest, ControlJson.Default.RevisionInfo, cancellationToken);

    public Task<EndpointInfo> SetPublicAsync(string name, bool isPublic, CancellationToken cancellationToken = default) =>
        _client.SendAsync(
            HttpMethod.Patch, Path(name), new EndpointPatch(isPublic), ControlJson.Default.EndpointPatch, ControlJson.Default.EndpointInfo, cancellationToken);

    /// <param name="traffic">Weight by revision name ("r3"); they sum to 100.</param>
    public Task<EndpointInfo> SetTrafficAsync(string name, ImmutableSortedDictionary<string, int> traffic, CancellationToken cancellationToken = default) =>
        SetTrafficAsync(name, traffic, null, cancellationToken);

    /// <param name="traffic">Weight by revision name ("r3"); they sum to 100.</param>
    /// <param name="handover">Move it when the revisions that gain some are warm; null = at once.</param>
    public Task<EndpointInfo> SetTrafficAsync(
        string name, ImmutableSortedDictionary<string, int> traffic, HandoverSettings? handover, CancellationToken cancellationToken = default) =>
        _client.SendAsync(
            HttpMethod.Put, Path(name) + "/traffic", new TrafficRequest(traffic, handover), ControlJson.Default.TrafficRequest, ControlJson.Default.EndpointInfo, cancellationToken);

    /// <summary>Lets a tag address one ready revision, wherever it was before.</summary>
    /// <param name="revision">Revision name ("r3").</param>
    public Task<EndpointInfo> SetTagAsync(string name, string tag, string revision, CancellationToken cancellationToken = default) =>
        _client.SendAsync(
            HttpMethod.Put, TagPath(name, tag), new TagRequest(revision), ControlJson.Default.TagRequest, ControlJson.Default.EndpointInfo, cancellationToken);

    public Task DeleteTagAsync(string name, string tag, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Delete, TagPath(name, tag), cancellationToken);

    /// <summary>Copies invocations to a revision and compares its answers.</summary>
    public Task<EndpointInfo> SetMirrorAsync(string name, MirrorRequest mirror, CancellationToken cancellationToken = default) =>
        _client.SendAsync(
            HttpMethod.Put, Path(name) + "/mirror", mirror, ControlJson.Default.MirrorRequest, ControlJson.Default.EndpointInfo, cancellationToken);

    /// <summary>Copies no more; nothing happens when nothing was mirrored.</summary>
    public Task DeleteMirrorAsync(string name, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Delete, Path(name) + "/mirror", cancellationToken);

    /// <param name="revision">Null = the traffic before the last change.</param>
    public Task<EndpointInfo> RollbackAsync(string name, string? revision = null, CancellationToken cancellationToken = default) =>
        _client.SendAsync(
            HttpMethod.Post, Path(name) + "/rollback", new RollbackRequest(revision), ControlJson.Default.RollbackRequest, ControlJson.Default.EndpointInfo, cancellationToken);

    /// <summary>Drains to zero and answers when nothing of the endpoint runs; the next invocation starts it again.</summary>
    public Task StopAsync(string name, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, Path(name) + "/stop", cancellationToken);

    /// <summary>Serves an endpoint again that was unloaded; nothing happens to one that was not.</summary>
    public Task LoadAsync(string name, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, $"v2/repository/models/{DormouseClient.Escape(name)}/load", cancellationToken);

    public Task DeleteAsync(string name, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Delete, Path(name), cancellationToken);

    /// <summary>The last lines that the endpoint's instances wrote; with <paramref name="follow"/> also those to come, until cancelled.</summary>
    public async IAsyncEnumerable<LogLine> LogsAsync(
        string name, int? tail = null, bool follow = false, string? invocation = null, string? since = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var path = string.Create(CultureInfo.InvariantCulture, $"{Path(name)}/logs?follow={(follow ? "true" : "false")}{(invocation is null ? "" : "&invocation=" + DormouseClient.Escape(invocation))}{(since is null ? "" : "&since=" + DormouseClient.Escape(since))}{(tail is null ? "" : $"&tail={tail}")}");
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        using var response = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
        await _client.ThrowIfRefusedAsync(response, cancellationToken).ConfigureAwait(false);
        var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await foreach (var line in JsonSerializer.DeserializeAsyncEnumerable(stream, ControlJson.Default.LogLine, topLevelValues: true, cancellationToken).ConfigureAwait(false))
        {
            if (line is not null)
            {
                yield return line;
            }
        }
    }

    private static string TagPath(string name, string tag) => Path(name) + "/tags/" + DormouseClient.Escape(tag);

    private static string Path(string name) => "api/v1/endpoints/" + DormouseClient.Escape(name);
}
