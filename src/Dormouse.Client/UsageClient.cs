using System.Globalization;
using System.Runtime.CompilerServices;
using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary>Receipts and totals.</summary>
public sealed class UsageClient
{
    private readonly DormouseClient _client;

    internal UsageClient(DormouseClient client) => _client = client;

    /// <summary>The receipt of one invocation.</summary>
    public Task<ReceiptInfo> ReceiptAsync(string invocationId, CancellationToken cancellationToken = default) =>
        _client.GetAsync("api/v1/invocations/" + DormouseClient.Escape(invocationId), ControlJson.Default.ReceiptInfo, cancellationToken);

    /// <summary>The last receipts, newest first.</summary>
    public Task<ReceiptList> ReceiptsAsync(string? endpoint = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        var filter = endpoint is null ? "" : "&endpoint=" + DormouseClient.Escape(endpoint);
        return _client.GetAsync(string.Create(CultureInfo.InvariantCulture, $"api/v1/invocations?limit={limit}{filter}"), ControlJson.Default.ReceiptList, cancellationToken);
    }

    /// <summary>What was called in [from, to), by the start of its run, page by page.</summary>
    public async IAsyncEnumerable<ArrivalInfo> ArrivalsAsync(
        DateTimeOffset from, DateTimeOffset to, string? endpoint = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var query = $"api/v1/arrivals?from={DormouseClient.Escape(from)}&to={DormouseClient.Escape(to)}" + (endpoint is null ? "" : "&endpoint=" + DormouseClient.Escape(endpoint));
        for (var after = ""; ;)
        {
            var page = await _client.GetAsync(query + after, ControlJson.Default.ArrivalPage, cancellationToken).ConfigureAwait(false);
            foreach (var arrival in page.Arrivals)
            {
                yield return arrival;
            }

            if (page.Next is not { } next)
            {
                yield break;
            }

            after = "&after=" + DormouseClient.Escape(next);
        }
    }

    /// <param name="by">"endpoint" or "hour".</param>
    /// <param name="from">Null = as the server chooses.</param>
    public Task<UsageReport> ReportAsync(string by, string? endpoint = null, DateTimeOffset? from = null, DateTimeOffset? to = null, CancellationToken cancellationToken = default)
    {
        var query = "api/v1/usage?by=" + DormouseClient.Escape(by);
        query += endpoint is null ? "" : "&endpoint=" + DormouseClient.Escape(endpoint);
        query += from is { } start ? "&from=" + DormouseClient.Escape(start) : "";
        query += to is { } end ? "&to=" + DormouseClient.Escape(end) : "";
        return _client.GetAsync(query, ControlJson.Default.UsageReport, cancellationToken);
    }
}
