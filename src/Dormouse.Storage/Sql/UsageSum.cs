using Dormouse.Core.Dispatch;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Sql;

/// <summary>Integer sums of receipts of one tenant, endpoint, hour and line.</summary>
internal readonly record struct UsageSum(
    long Invocations,
    long ColdStarts,
    long Failures,
    long RunMicroseconds,
    long CpuMicroseconds,
    long BilledMilliseconds,
    Int128 MibMicroseconds,
    Int128 PricePico)
{
    public static UsageSum operator +(UsageSum left, UsageSum right) => new(
        left.Invocations + right.Invocations,
        left.ColdStarts + right.ColdStarts,
        left.Failures + right.Failures,
        left.RunMicroseconds + right.RunMicroseconds,
        left.CpuMicroseconds + right.CpuMicroseconds,
        left.BilledMilliseconds + right.BilledMilliseconds,
        left.MibMicroseconds + right.MibMicroseconds,
        left.PricePico + right.PricePico);

    /// <summary>
    /// What one receipt adds. A failure is what the platform or the instance broke: a refused input or a caller who left is none, and provisioned time is no invocation. The memory
    /// price class counts for the billed time, not the metered one.
    /// </summary>
    public static UsageSum Of(Receipt receipt) => new(
        receipt.Line == ReceiptLine.ProvisionedTime ? 0 : 1,
        receipt.Start == StartKind.Cold ? 1 : 0,
        receipt.Line == ReceiptLine.ProvisionedTime || receipt.Outcome is Outcome.Completed or Outcome.Rejected or Outcome.CallerLeft ? 0 : 1,
        receipt.Times.RunMicroseconds,
        receipt.CpuMicroseconds,
        receipt.BilledMilliseconds,
        (Int128)receipt.MemoryMib * receipt.BilledMilliseconds * 1_000,
        receipt.PricePico);
}
