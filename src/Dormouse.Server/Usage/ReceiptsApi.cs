using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Overflow;
using Dormouse.Server.Pipelines;

namespace Dormouse.Server.Usage;

/// <summary>Receipts, one and many. Lists wait until every invocation that has been answered is in the ledger.</summary>
internal sealed class ReceiptsApi(ReceiptReader reader, IInvocationJournal journal, ILedger ledger, EndpointNames names, OverflowHosts hosts, Lazy<PipelineReceipts> pipelines, PriceBook prices)
{
    private const int ReceiptsMax = 1000;

    /// <summary>Of an invocation that was not queued.</summary>
    public async Task GetAsync(ControlCall call)
    {
        var isId = Guid.TryParseExact(call.Route("id"), "D", out var id);
        if (isId && await pipelines.Value.FindAsync(call.Tenant, new InvocationId(id), call.Cancellation) is { } run)
        {
            await JsonBody.WriteAsync(call.Http, run, ControlJson.Default.ReceiptInfo);
            return;
        }

        if (!isId
            || await reader.FindAsync(call.Tenant, new InvocationId(id), call.Cancellation) is not { } entry)
        {
            await Problems.WriteAsync(
                call.Http, ProblemCode.InvocationNotFound,
                "There is no invocation with this id. Only those that were handed to an instance leave a receipt; the id is in the answer's header Dormouse-Invocation-Id.");
            return;
        }

        var name = await names.FindAsync(entry.Opening.Revision.Endpoint, call.Cancellation);
        var info = entry.Receipt is { } receipt
            ? ReceiptViews.Info(receipt, name, prices.Currency, await hosts.FindAsync(receipt, call.Cancellation))
            : ReceiptViews.Open(entry.Opening, name, prices.Currency);
        await JsonBody.WriteAsync(call.Http, info, ControlJson.Default.ReceiptInfo);
    }

    /// <summary>The last receipts of one endpoint (by name or id), or of all when it is null.</summary>
    public async Task ListAsync(ControlCall call, string? endpoint)
    {
        if (await call.NumberAsync("limit", 100, 1, ReceiptsMax) is not { } limit || await names.ResolveAsync(call, endpoint) is not { } filter)
        {
            return;
        }

        await journal.FlushAsync(call.Cancellation);
        var receipts = await ledger.RecentAsync(call.Tenant, filter.Endpoint, limit, call.Cancellation);
        var known = await names.FindAsync(receipts.Select(r => r.Revision.Endpoint), call.Cancellation);
        var infos = ImmutableArray.CreateBuilder<ReceiptInfo>(receipts.Length);
        foreach (var receipt in receipts)
        {
            infos.Add(ReceiptViews.Info(receipt, known[receipt.Revision.Endpoint], prices.Currency, await hosts.FindAsync(receipt, call.Cancellation)));
        }

        await JsonBody.WriteAsync(call.Http, new ReceiptList(infos.MoveToImmutable()), ControlJson.Default.ReceiptList);
    }
}
