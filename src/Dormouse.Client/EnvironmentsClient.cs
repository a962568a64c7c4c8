using System.Globalization;
using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary><c>/api/v1/environments</c>: Python environments.</summary>
public sealed class EnvironmentsClient
{
    private readonly DormouseClient _client;

    internal EnvironmentsClient(DormouseClient client) => _client = client;

    /// <summary>Those that revisions of the tenant use; for the default tenant all.</summary>
    public Task<EnvironmentList> ListAsync(CancellationToken cancellationToken = default) =>
        _client.GetAsync("api/v1/environments", ControlJson.Default.EnvironmentList, cancellationToken);

    /// <summary>Begins to build what the functions of uploaded files need; ends before it is built.</summary>
    public Task<EnvironmentList> BuildAsync(FunctionsRequest request, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, "api/v1/environments", request, ControlJson.Default.FunctionsRequest, ControlJson.Default.EnvironmentList, cancellationToken);

    /// <param name="id">As the list has it.</param>
    /// <param name="after">Lines of the log that are left out.</param>
    /// <param name="waitSeconds">While it is being built: how long to wait for a further line or the end, 0 to 30.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<EnvironmentInfo> GetAsync(string id, int after = 0, int waitSeconds = 0, CancellationToken cancellationToken = default) =>
        _client.GetAsync(
            string.Create(CultureInfo.InvariantCulture, $"api/v1/environments/{DormouseClient.Escape(id)}?after={after}&wait={waitSeconds}"), ControlJson.Default.EnvironmentInfo, cancellationToken);

    /// <summary>Removes one that no revision uses.</summary>
    public Task DeleteAsync(string id, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Delete, "api/v1/environments/" + DormouseClient.Escape(id), cancellationToken);
}
