using System.Globalization;
using Dormouse.Simulation.Load;

namespace Dormouse.Simulation.Traces;

/// <summary>Azure LLM inference traces 2023 (Patel and others, ISCA 2024) and 2024, whose times have an offset: TIMESTAMP, ContextTokens, GeneratedTokens. One endpoint; the tokens make the run time.</summary>
internal static class AzureLlm
{
    private const string Endpoint = "llm";

    public static LoadPlan Read(CsvTable table, TraceOptions options)
    {
        var lists = new ArrivalLists();
        DateTime? first = null;
        var last = DateTime.MinValue;
        while (table.TryRead())
        {
            var text = table.Text(0);
            if (!DateTime.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at))
            {
                throw table.Fault($"TIMESTAMP is '{text}'; allowed is a time such as 2023-11-16 18:17:03.9799600");
            }

            if (at < last)
            {
                throw table.Fault($"TIMESTAMP is {text}, earlier than the row before: time goes forward");
            }

            first ??= at;
            last = at;
            lists.Add(Endpoint, at - first.Value, (options.PromptTokenTime * table.Whole(1, 0, 10_000_000)) + (options.GeneratedTokenTime * table.Whole(2, 0, 10_000_000)));
        }

        return lists.ToLoad(
            table.File,
            Path.GetFileName(table.File),
            FormattableString.Invariant($"Run time = {options.PromptTokenTime.TotalMilliseconds} ms a context token + {options.GeneratedTokenTime.TotalMilliseconds} ms a generated token."));
    }
}
