using Dormouse.Core.Usage;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>The price book.</summary>
internal sealed record PricesSettings
{
    public required PriceBook Book { get; init; }

    public static PricesSettings Read(SettingsReader reader)
    {
        var currency = reader.ParseText(
            "prices.currency", PriceBook.Default.Currency,
            text => text.Length == 3 && text.All(char.IsAsciiLetterUpper) ? text : null, "an ISO 4217 code such as USD or EUR");
        var onDemand = Price(reader, "prices.gb_second", PriceBook.Default.OnDemandPicoPerGibSecond);
        var book = new PriceBook(currency, onDemand, Price(reader, "prices.invocation", PriceBook.Default.PicoPerInvocation), Price(reader, "prices.overflow_invocation", PriceBook.Default.PicoPerOverflow))
        {
            ProvisionedPicoPerGibSecond = Price(reader, "prices.provisioned_gb_second", PriceBook.DefaultProvisioned(onDemand)),
            ProvisionedRunPicoPerGibSecond = Price(reader, "prices.provisioned_run_gb_second", PriceBook.DefaultProvisionedRun(onDemand)),
        };
        return new PricesSettings { Book = book };
    }

    private static long Price(SettingsReader reader, string key, long fallback) => reader.Parse(
        key, fallback, ParsePico, "a price from 0 to 1000 with at most 12 decimals, such as 0.0000166667");

    private static long? ParsePico(string text) =>
        PicoMoney.TryParse(text, out var pico) && pico >= 0 && pico <= 1_000_000_000_000_000 ? (long)pico : null;
}
