using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Drill;

/// <summary>What the ledger says of the drill's calls.</summary>
/// <param name="Receipts">Different ones.</param>
/// <param name="Duplicated">Receipts, or runs, beyond one a call.</param>
/// <param name="Unaccounted">Answers without a receipt.</param>
/// <param name="Difference">Where the totals are not the sum of the receipts; null when they are.</param>
internal sealed record DrillAccounts(int Receipts, int Duplicated, int Unaccounted, long PricePico, string? Difference)
{
    private const string ProvisionedTime = "provisioned_time";

    /// <param name="listed">Times that the ledger named each receipt in one list at most: more than one is a duplicate.</param>
    public static DrillAccounts Compare(AnsweredCalls calls, IReadOnlyDictionary<string, ListedReceipt> listed, UsageRow totals)
    {
        var known = calls.Invocations.ToHashSet(StringComparer.Ordinal);
        var shared = calls.Invocations.Length - known.Count;
        // Copies of a mirror have ids of their own, and provisioned time is no call.
        var strangers = listed.Values.Count(r => !known.Contains(r.Receipt.Id) && r.Receipt is { Mirror: false, Line: not ProvisionedTime });
        var again = listed.Values.Sum(r => r.Times - 1);
        var price = listed.Values.Sum(r => r.Receipt.PricePico);
        return new DrillAccounts(
            listed.Count,
            shared + Math.Max(0, strangers - calls.Unknown) + again,
            calls.Ran.Count(id => !listed.ContainsKey(id)),
            price,
            Differences(listed.Values, price, totals) is { Length: > 0 } differences ? string.Join("; ", differences) : null);
    }

    private static ImmutableArray<string> Differences(IEnumerable<ListedReceipt> listed, long price, UsageRow totals)
    {
        var receipts = listed.Select(r => r.Receipt).ToList();
        (string What, Int128 Sum, string Total)[] pairs =
        [
            ("invocations", receipts.Count(r => r.Line != ProvisionedTime), totals.Invocations.ToString(CultureInfo.InvariantCulture)),
            ("billed_ms", receipts.Sum(r => r.BilledMs), totals.BilledMs.ToString(CultureInfo.InvariantCulture)),
            ("price_pico", price, totals.PricePico),
        ];
        return
        [
            .. pairs.Where(p => p.Sum.ToString(CultureInfo.InvariantCulture) != p.Total)
                .Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.What} is {p.Total} in the totals and {p.Sum} in the receipts")),
        ];
    }
}

/// <param name="Times">How often one list named it.</param>
internal sealed record ListedReceipt(ReceiptInfo Receipt, int Times);
