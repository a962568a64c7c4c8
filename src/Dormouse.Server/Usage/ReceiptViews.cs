using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;

namespace Dormouse.Server.Usage;

/// <summary>From a receipt to the API's.</summary>
internal static class ReceiptViews
{
    /// <summary><see cref="ReceiptInfo.Start"/> and <see cref="ReceiptInfo.Outcome"/> of an invocation that still runs.</summary>
    public const string Running = "running";

    /// <summary><see cref="ReceiptInfo.Instance"/> of an invocation that an overflow address ran.</summary>
    public const string Elsewhere = "elsewhere";

    /// <param name="overflow">Host of the overflow address that ran it; null = an instance here did.</param>
    public static ReceiptInfo Info(Receipt receipt, string endpoint, string currency, string? overflow = null) => new()
    {
        Id = receipt.Invocation.ToString(),
        Endpoint = endpoint,
        EndpointId = receipt.Revision.Endpoint.ToString(),
        Revision = RevisionViews.Name(receipt.Revision.Number),
        Instance = receipt.Start == StartKind.Overflow ? Elsewhere : Instance(receipt.Line, receipt.Revision, receipt.Instance),
        Line = Words.Of(receipt.Line),
        Overflow = overflow,
        Mirror = receipt.IsMirror,
        Outcome = Words.Of(receipt.Outcome),
        Status = receipt.Status,
        StartedAt = receipt.StartedAt,
        Start = Words.Of(receipt.Start),
        Cause = receipt.Cause is { } cause ? Words.Of(cause) : null,
        Rung = receipt.Rung is { } rung ? Words.Of(rung) : null,
        RungReason = receipt.RungReason is { } reason ? Words.Of(reason) : null,
        QueueMs = Milliseconds(receipt.Times.QueueMicroseconds),
        StartMs = Milliseconds(receipt.Times.StartMicroseconds),
        LoadMs = Milliseconds(receipt.Times.LoadMicroseconds),
        RunMs = Milliseconds(receipt.Times.RunMicroseconds),
        CpuMs = Milliseconds(receipt.CpuMicroseconds),
        MemoryMib = receipt.MemoryMib,
        MeteredMicroseconds = receipt.MeteredMicroseconds,
        BilledMs = receipt.BilledMilliseconds,
        PricePico = receipt.PricePico,
        Price = PicoMoney.Format(receipt.PricePico),
        Currency = currency,
    };

    /// <summary>An invocation that has not ended: what it waited for and cost is not known yet.</summary>
    public static ReceiptInfo Open(in InvocationOpening opening, string endpoint, string currency) => new()
    {
        Id = opening.Invocation.ToString(),
        Endpoint = endpoint,
        EndpointId = opening.Revision.Endpoint.ToString(),
        Revision = RevisionViews.Name(opening.Revision.Number),
        Instance = Instance(opening.Line, opening.Revision, opening.Instance),
        Line = Words.Of(opening.Line),
        Outcome = Running,
        StartedAt = opening.StartedAt,
        Start = Running,
        Mirror = opening.IsMirror,
        MemoryMib = opening.MemoryMib,
        Price = PicoMoney.Format(0),
        Currency = currency,
    };

    /// <summary>A queued invocation that no instance had yet.</summary>
    public static ReceiptInfo NotBegun(QueueItem item, string endpoint, string currency) => new()
    {
        Id = item.Id.ToString(),
        Endpoint = endpoint,
        EndpointId = item.Endpoint.ToString(),
        Revision = "",
        Instance = "",
        Outcome = Words.Of(item.State),
        StartedAt = item.AcceptedAt,
        Start = Words.Of(item.State),
        Price = PicoMoney.Format(0),
        Currency = currency,
    };

    private static string Instance(ReceiptLine line, RevisionId revision, long number) =>
        line switch
        {
            ReceiptLine.ProvisionedTime => "",
            ReceiptLine.Overflow => Elsewhere,
            _ => new InstanceId(revision, number).ToString(),
        };

    private static double Milliseconds(long microseconds) => microseconds / 1000.0;
}
