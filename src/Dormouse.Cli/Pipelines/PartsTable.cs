using Dormouse.Cli.Invoke;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Pipelines;

/// <summary>The parts of a pipeline's run for people.</summary>
internal static class PartsTable
{
    /// <summary><c>billed 3 ms in 4 calls = 0.000000025 USD</c></summary>
    public static string Money(ReceiptInfo receipt)
    {
        var calls = receipt.Parts is { IsDefaultOrEmpty: false } parts ? parts.Length : 0;
        return $"billed {receipt.BilledMs} ms in {calls} {(calls == 1 ? "call" : "calls")} = {InvokeReport.Price(receipt.PricePico)} {receipt.Currency}";
    }

    /// <summary>Nothing when the invocation is no pipeline's run.</summary>
    public static void Write(Screen screen, ReceiptInfo receipt)
    {
        if (receipt.Parts is not { IsDefault: false } parts)
        {
            return;
        }

        screen.Line("  " + Money(receipt));
        screen.Line();
        screen.Table(
            ["STEP", "ENDPOINT", ">ATTEMPT", ">STATUS", ">BILLED", ">PRICE", "INVOCATION", "WHY"],
            parts.Select(p => new[]
            {
                p.Step, p.Endpoint, Units.Count(p.Attempt), p.Status == 0 ? "given up" : Units.Count(p.Status), $"{p.BilledMs} ms", InvokeReport.Price(p.PricePico), p.Id, p.Detail ?? "",
            }));
    }
}
