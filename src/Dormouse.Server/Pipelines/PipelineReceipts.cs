using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Dormouse.Server.Usage;

namespace Dormouse.Server.Pipelines;

/// <summary>The receipt of a run: nothing is billed for the run itself, so it is the sum of its parts.</summary>
internal sealed class PipelineReceipts(IPipelineStore store, IInvocationJournal journal, EndpointNames names, PriceBook prices)
{
    private const string Start = "pipeline";

    /// <summary>Of a run whose caller waited; null when there is none.</summary>
    public async Task<ReceiptInfo?> FindAsync(TenantId tenant, InvocationId run, CancellationToken cancellationToken)
    {
        if (await ReadAsync(tenant, run, cancellationToken) is not { } found)
        {
            return null;
        }

        var (record, parts) = found;
        var info = new ReceiptInfo
        {
            Id = run.ToString(),
            Endpoint = await names.FindAsync(record.Revision.Endpoint, cancellationToken),
            EndpointId = record.Revision.Endpoint.ToString(),
            Revision = "",
            Instance = "",
            Outcome = record.Status switch { null => ReceiptViews.Running, < 400 => "completed", ProblemBoundary.StatusCallerLeft => "caller_left", < 500 => "rejected", 504 => "deadline_exceeded", _ => "failed" },
            Status = record.Status ?? 0,
            StartedAt = record.StartedAt,
            Start = Start,
            RunMs = record.RunMicroseconds / 1000.0,
            Price = "",
            Currency = prices.Currency,
        };
        return WithParts(info, record, parts);
    }

    /// <summary>Of a queued one: what the queue knows of it, with its parts as far as it has come; unchanged when it is no pipeline, or has not begun.</summary>
    public async Task<ReceiptInfo> WithPartsAsync(ReceiptInfo info, QueueItem item, CancellationToken cancellationToken)
    {
        if (await ReadAsync(item.Tenant, item.Id, cancellationToken) is not var (record, parts))
        {
            return info;
        }

        var outcome = item.State switch
        {
            QueueState.Leased => ReceiptViews.Running,
            QueueState.Succeeded => "completed",
            QueueState.Failed => "rejected",
            QueueState.Dead => "failed",
            _ => info.Outcome,
        };
        return WithParts(info with { Outcome = outcome, Start = Start, StartedAt = record.StartedAt }, record, parts);
    }

    private static ReceiptInfo WithParts(ReceiptInfo info, PipelineRecord record, ImmutableArray<PricedPart> parts)
    {
        var price = parts.Sum(p => p.PricePico);
        return info with
        {
            Revision = RevisionViews.Name(record.Revision.Number),
            MeteredMicroseconds = parts.Sum(p => p.MeteredMicroseconds),
            BilledMs = parts.Sum(p => p.BilledMilliseconds),
            PricePico = price,
            Price = PicoMoney.Format(price),
            Parts =
            [
                .. parts.Select(p => new ReceiptPartInfo(
                    p.Part.Key, p.Part.Endpoint, p.Part.Invocation.ToString(), p.Part.Attempt, p.Part.Status, p.Part.Detail, p.MeteredMicroseconds, p.BilledMilliseconds, p.PricePico, PicoMoney.Format(p.PricePico))),
            ],
        };
    }

    /// <summary>With every receipt that has been written: they are in the ledger then.</summary>
    private async Task<(PipelineRecord Run, ImmutableArray<PricedPart> Parts)?> ReadAsync(TenantId tenant, InvocationId run, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(tenant, run, cancellationToken) is null)
        {
            return null;
        }

        await journal.FlushAsync(cancellationToken);
        return await store.FindAsync(tenant, run, cancellationToken);
    }
}
