using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary><c>/api/v1/functions</c>.</summary>
public sealed class FunctionsClient
{
    private readonly DormouseClient _client;

    internal FunctionsClient(DormouseClient client) => _client = client;

    /// <summary>Has uploaded Python files imported once and says which functions they have. Code that cannot be imported is an exception (<c>code_invalid</c>).</summary>
    public Task<FunctionList> ListAsync(FunctionsRequest request, CancellationToken cancellationToken = default) =>
        _client.SendAsync(HttpMethod.Post, "api/v1/functions", request, ControlJson.Default.FunctionsRequest, ControlJson.Default.FunctionList, cancellationToken);
}
