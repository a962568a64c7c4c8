using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;

namespace Dormouse.Server.Usage;

/// <summary><c>GET /api/v1/usage</c>: totals that equal the sum of their receipts to the unit.</summary>
internal sealed class UsageApi(IInvocationJournal journal, ILedger ledger, EndpointNames names, PriceBook prices, TimeProvider time)
{
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

        if (await names.ResolveAsync(call, call.Query("endpoint")) is not { } filter)
        {
            return;
        }

        // Totals are kept by the hour: the range is widened to whole ones.
        var (first, end) = (Floor(from), Floor(to) == to ? to : Floor(to).AddHours(1));
        await journal.FlushAsync(call.Cancellation);
        var totals = await ledger.TotalsAsync(call.Tenant, filter.Endpoint, first, end, call.Cancellation);
        var known = await names.FindAsync(totals.Select(t => t.Endpoint), call.Cancellation);
        var rows = by == "hour"
            ? totals.Select(t => new UsageRows().Add(t).Row(known[t.Endpoint], t.Endpoint, t.Hour, t.Line))
            : totals.GroupBy(t => (t.Endpoint, t.Line))
                .OrderBy(g => known[g.Key.Endpoint], StringComparer.Ordinal)
                .ThenBy(g => g.Key.Endpoint.Value)
                .ThenBy(g => g.Key.Line)
                .Select(g => g.Aggregate(new UsageRows(), (sum, t) => sum.Add(t)).Row(known[g.Key.Endpoint], g.Key.Endpoint, null, g.Key.Line));
        await JsonBody.WriteAsync(
            call.Http,
            new UsageReport
            {
                From = first,
                To = end,
                Currency = prices.Currency,
                Rows = [.. rows],
                Total = totals.Aggregate(new UsageRows(), (sum, t) => sum.Add(t)).Row(null, null, null, null),
            },
            ControlJson.Default.UsageReport);
    }

    private static DateTimeOffset Floor(DateTimeOffset time) => new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);
}
