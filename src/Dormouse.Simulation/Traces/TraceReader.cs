using Dormouse.Simulation.Load;

namespace Dormouse.Simulation.Traces;

/// <summary>Reads a trace whose format its header tells: Azure Functions 2019 and 2021, Azure LLM 2023 and 2024, or plain arrivals (docs/simulate.md).</summary>
public static class TraceReader
{
    /// <param name="path">A file, or the folder of an Azure Functions 2019 day.</param>
    /// <exception cref="TraceException">It cannot be used; says where and why.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static LoadPlan Read(string path, TraceOptions options)
    {
        if (Directory.Exists(path))
        {
            return AzureFunctions2019.Read(AzureFunctions2019.FindInvocations(path), options);
        }

        using var table = CsvTable.Open(path);
        return table.Header switch
        {
            _ when table.Find("HashFunction") >= 0 => AzureFunctions2019.Read(path, options),
            ["app", "func", "end_timestamp", "duration"] => AzureFunctions2021.Read(table),
            ["TIMESTAMP", "ContextTokens", "GeneratedTokens"] => AzureLlm.Read(table, options),
            _ when table.Header.Contains(PlainArrivals.TimeColumn) => PlainArrivals.Read(table, options),
            _ => throw new TraceException(path, 1, $"the header '{Shown(table.Header)}' is of no known format. Known are: {PlainArrivals.TimeColumn},{PlainArrivals.EndpointColumn}[,…] (plain arrivals); "
                + "HashOwner,HashApp,HashFunction,Trigger,1,2,… (Azure Functions 2019); app,func,end_timestamp,duration (Azure Functions 2021); TIMESTAMP,ContextTokens,GeneratedTokens (Azure LLM)."),
        };
    }

    private static string Shown(IReadOnlyList<string> header) =>
        string.Join(',', header) is var text && text.Length > 80 ? text[..80] + "…" : text;
}
