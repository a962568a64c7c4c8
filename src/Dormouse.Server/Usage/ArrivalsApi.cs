using System.Globalization;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;

namespace Dormouse.Server.Usage;

/// <summary><c>GET /api/v1/arrivals</c>: the receipts as a load that can be replayed. Who was refused left no receipt and is not in it; copies that a mirror made are not, either.</summary>
internal sealed class ArrivalsApi(IInvocationJournal journal, ILedger ledger, EndpointNames names, TimeProvider time)
{
    private const int PageMax = 10_000;

    public async Task PageAsync(ControlCall call)
    {
        var now = time.GetUtcNow();
        if (await call.TimeAsync("from", now.AddDays(-1)) is not { } from
            || await call.TimeAsync("to", now) is not { } to
            || await call.NumberAsync("limit", PageMax, 1, PageMax) is not { } limit)
        {
            return;
        }

        if (from > to)
        {
            await call.RefuseAsync($"'from' ({from:u}) is after 'to' ({to:u}).");
            return;
        }

        var after = Position(call.Query("after"));
        if (after is null && call.Query("after") is not null)
        {
            await call.RefuseAsync("'after' must be the 'next' of the page before.");
            return;
        }

        if (await names.ResolveAsync(call, call.Query("endpoint")) is not { } filter)
        {
            return;
        }

        await journal.FlushAsync(call.Cancellation);
        var receipts = await ledger.PageAsync(call.Tenant, filter.Endpoint, from, to, after, limit, call.Cancellation);
        var known = await names.FindAsync(receipts.Select(r => r.Revision.Endpoint), call.Cancellation);
        var next = receipts.Length == limit ? Text(ReceiptPosition.Of(receipts[^1])) : null;
        await JsonBody.WriteAsync(call.Http, new ArrivalPage([.. receipts.Where(r => r.Line != ReceiptLine.ProvisionedTime && !r.IsMirror).Select(r => Info(r, known[r.Revision.Endpoint]))], next), ControlJson.Default.ArrivalPage);
    }

    private static ArrivalInfo Info(Receipt receipt, string endpoint)
    {
        var times = receipt.Times;
        var waited = TimeSpan.FromMicroseconds(times.QueueMicroseconds + times.StartMicroseconds + times.LoadMicroseconds);
        return new ArrivalInfo(receipt.StartedAt - waited, endpoint, times.RunMicroseconds / 1000.0, receipt.MemoryMib);
    }

    private static string Text(ReceiptPosition position) =>
        string.Create(CultureInfo.InvariantCulture, $"{position.StartedAt.UtcTicks}.{position.ServerId:N}.{position.Sequence}");

    private static ReceiptPosition? Position(string? text) =>
        text?.Split('.') is [var at, var server, var number]
        && long.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks) && ticks <= DateTime.MaxValue.Ticks
        && Guid.TryParseExact(server, "N", out var id)
        && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence)
            ? new ReceiptPosition(new DateTimeOffset(ticks, TimeSpan.Zero), id, sequence)
            : null;
}
