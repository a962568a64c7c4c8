using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;

namespace Dormouse.Server.Usage;

/// <summary>Receipts and totals. Reports wait until every invocation that has been answered is in the ledger.</summary>
internal sealed class UsageApi(IInvocationJournal journal, ILedger ledger, ICatalogue catalogue, PriceBook prices, TimeProvider time)
{
    private const int ReceiptsMax = 1000;

    /// <summary>Name shown for an endpoint that left no trace but receipts.</summary>
    private const string Unknown = "(unknown)";

    public async Task ReceiptAsync(ControlCall call)
    {
        if (Guid.TryParseExact(call.Route("id"), "D", out var id) && await FindAsync(call, new InvocationId(id)) is { } receipt)
        {
            await JsonBody.WriteAsync(call.Http, receipt, ControlJson.Default.ReceiptInfo);
            return;
        }

        await Problems.WriteAsync(
            call.Http, ProblemCode.InvocationNotFound,
            "There is no invocation with this id. Only those that were handed to an instance leave a receipt; the id is in the answer's header Dormouse-Invocation-Id.");
    }

    /// <summary>The last receipts of one endpoint (by name, also of deleted ones by id) or of all.</summary>
    public async Task ReceiptsAsync(ControlCall call, string? endpoint)
    {
        if (await call.NumberAsync("limit", 100, 1, ReceiptsMax) is not { } limit)
        {
            return;
        }

        if (await ResolveAsync(call, endpoint) is not { } filter)
        {
            return;
        }

        await journal.FlushAsync(call.Cancellation);
        var receipts = await ledger.RecentAsync(call.Tenant, filter.Endpoint, limit, call.Cancellation);
        var names = await NamesAsync(receipts.Select(r => r.Revision.Endpoint), call.Cancellation);
        await JsonBody.WriteAsync(
            call.Http,
            new ReceiptList([.. receipts.Select(r => ReceiptViews.Info(r, names[r.Revision.Endpoint], prices.Currency))]),
            ControlJson.Default.ReceiptList);
    }

    public async Task ReportAsync(ControlCall call)
    {
        var now = time.GetUtcNow();
        if (await call.TimeAsync("from", now.AddDays(-1)) is not { } from || await call.TimeAsync("to", now) is not { } to)
        {
            return;
        }

        var by = call.Query("by") ?? "endpoint";
        if (by is not ("hour" or "endpoint") || from > to)
        {
            await call.RefuseAsync(from > to ? $"'from' ({from:u}) is after 'to' ({to:u})." : "'by' must be hour or endpoint.");
            return;
        }

        if (await ResolveAsync(call, call.Query("endpoint")) is not { } filter)
        {
            return;
        }

        // Totals are kept by the hour: the range is widened to whole ones.
        var (first, end) = (Floor(from), Floor(to) == to ? to : Floor(to).AddHours(1));
        await journal.FlushAsync(call.Cancellation);
        var totals = await ledger.TotalsAsync(call.Tenant, filter.Endpoint, first, end, call.Cancellation);
        var names = await NamesAsync(totals.Select(t => t.Endpoint), call.Cancellation);
        var rows = by == "hour"
            ? totals.Select(t => new UsageRows().Add(t).Row(names[t.Endpoint], t.Endpoint, t.Hour))
            : totals.GroupBy(t => t.Endpoint).OrderBy(g => names[g.Key], StringComparer.Ordinal)
                .Select(g => g.Aggregate(new UsageRows(), (sum, t) => sum.Add(t)).Row(names[g.Key], g.Key, null));
        await JsonBody.WriteAsync(
            call.Http,
            new UsageReport
            {
                From = first,
                To = end,
                Currency = prices.Currency,
                Rows = [.. rows],
                Total = totals.Aggregate(new UsageRows(), (sum, t) => sum.Add(t)).Row(null, null, null),
            },
            ControlJson.Default.UsageReport);
    }

    private static DateTimeOffset Floor(DateTimeOffset time) => new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);

    private async Task<ReceiptInfo?> FindAsync(ControlCall call, InvocationId id)
    {
        // The journal first: what leaves it is in the ledger already.
        if (journal.Find(id) is { } entry)
        {
            if (entry.Opening.Tenant != call.Tenant)
            {
                return null;
            }

            var name = await NameAsync(entry.Opening.Revision.Endpoint, call.Cancellation);
            return entry.Receipt is { } closed
                ? ReceiptViews.Info(closed, name, prices.Currency)
                : ReceiptViews.Open(entry.Opening, name, prices.Currency);
        }

        return await ledger.FindAsync(call.Tenant, id, call.Cancellation) is { } receipt
            ? ReceiptViews.Info(receipt, await NameAsync(receipt.Revision.Endpoint, call.Cancellation), prices.Currency)
            : null;
    }

    /// <summary>Null after <c>endpoint_not_found</c> was written. A name means the endpoint that has it now; a deleted one is named by its id.</summary>
    private async Task<Filter?> ResolveAsync(ControlCall call, string? endpoint)
    {
        if (endpoint is null)
        {
            return new Filter(null);
        }

        if (Guid.TryParseExact(endpoint, "D", out var id))
        {
            return new Filter(new EndpointId(id));
        }

        if (EndpointName.Refusal(endpoint) is null && await catalogue.FindAsync(call.Tenant, endpoint, call.Cancellation) is { } found)
        {
            return new Filter(found.Id);
        }

        await Problems.WriteAsync(
            call.Http, ProblemCode.EndpointNotFound, "There is no endpoint with this name. One that was deleted is asked for by its id (see the usage of all endpoints).");
        return null;
    }

    private async Task<Dictionary<EndpointId, string>> NamesAsync(IEnumerable<EndpointId> endpoints, CancellationToken cancellationToken)
    {
        var names = new Dictionary<EndpointId, string>();
        foreach (var endpoint in endpoints.Distinct())
        {
            names[endpoint] = await NameAsync(endpoint, cancellationToken);
        }

        return names;
    }

    private async Task<string> NameAsync(EndpointId endpoint, CancellationToken cancellationToken) =>
        await ledger.EndpointNameAsync(endpoint, cancellationToken) ?? Unknown;

    private sealed record Filter(EndpointId? Endpoint);
}
