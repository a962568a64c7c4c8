using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>Rows of the table, in order, and the JSON file with the conditions.</summary>
internal sealed class Report(string path)
{
    private readonly JsonArray _rows = [];

    /// <param name="target">What docs/performance.md promises, as text; empty for a peer's or a floor's row.</param>
    public void Add(string leg, string subject, double value, string unit, string target = "", bool? met = null)
    {
        var text = Math.Abs(value) >= 100 ? value.ToString("N0", CultureInfo.InvariantCulture) : value.ToString("0.###", CultureInfo.InvariantCulture);
        Console.WriteLine($"{leg,-44} {subject,-34} {text,12} {unit,-8} {target,-18} {(met is null ? "" : met.Value ? "met" : "MISSED")}");
        _rows.Add(new JsonObject { ["leg"] = leg, ["subject"] = subject, ["value"] = Math.Round(value, 4), ["unit"] = unit, ["target"] = target, ["met"] = met });
    }

    public void Note(string text)
    {
        Console.WriteLine("  " + text);
        _rows.Add(new JsonObject { ["note"] = text });
    }

    public void Write(string commit)
    {
        var document = new JsonObject
        {
            ["at"] = DateTimeOffset.UtcNow.ToString("O", CultureInfo.InvariantCulture),
            ["commit"] = commit,
            ["runtime"] = Environment.Version.ToString(),
            ["cores"] = Environment.ProcessorCount,
            ["processor"] = Processor(),
            ["rows"] = _rows.DeepClone(),
        };
        File.WriteAllText(path, document.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        Console.WriteLine($"\nwritten to {path}");
    }

    private static string Processor() =>
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "unknown";
}
