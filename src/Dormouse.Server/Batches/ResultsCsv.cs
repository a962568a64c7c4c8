using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Dormouse.Server.Batches;

/// <summary>
/// Results as a table: item, input, the output's columns, and what went wrong. Columns are the output tensors of a model, the members of an object, or one. What is no single value is a
/// cell of JSON.
/// </summary>
internal sealed class ResultsCsv
{
    private ImmutableArray<string> _columns = ["output"];
    private bool _isObject;

    /// <summary>Takes its columns from this line; false when it has no output.</summary>
    public bool TryColumns(ReadOnlyMemory<byte> line)
    {
        using var document = JsonDocument.Parse(line);
        if (!document.RootElement.TryGetProperty("output", out var output))
        {
            return false;
        }

        if (Tensors(output) is { } tensors)
        {
            _columns = [.. tensors.EnumerateArray().Select(t => t.GetProperty("name").GetString()!)];
        }
        else if (output.ValueKind == JsonValueKind.Object && output.EnumerateObject().Any())
        {
            (_columns, _isObject) = ([.. output.EnumerateObject().Select(m => m.Name)], true);
        }

        return true;
    }

    public string Header() => Line(["item", "input", .. _columns, "error_code", "error_detail"]);

    public string Row(ReadOnlyMemory<byte> line)
    {
        using var document = JsonDocument.Parse(line);
        var root = document.RootElement;
        List<string> cells = [root.GetProperty("item").GetRawText(), root.GetProperty("input").GetString()!];
        var hasOutput = root.TryGetProperty("output", out var output);
        foreach (var column in _columns)
        {
            cells.Add(hasOutput ? Cell(output, column) : "");
        }

        var hasError = root.TryGetProperty("error", out var error);
        cells.Add(hasError ? error.GetProperty("code").GetString()! : "");
        cells.Add(hasError ? error.GetProperty("detail").GetString()! : "");
        return Line(cells);
    }

    private string Cell(JsonElement output, string column)
    {
        if (Tensors(output) is { } tensors)
        {
            foreach (var tensor in tensors.EnumerateArray())
            {
                if (tensor.GetProperty("name").GetString() == column)
                {
                    var data = tensor.GetProperty("data");
                    return Text(data.GetArrayLength() == 1 ? data[0] : data);
                }
            }

            return "";
        }

        return !_isObject ? Text(output) : output.ValueKind == JsonValueKind.Object && output.TryGetProperty(column, out var member) ? Text(member) : "";
    }

    /// <summary>The outputs of an inference answer; null when it is another one.</summary>
    private static JsonElement? Tensors(JsonElement output) =>
        output.ValueKind == JsonValueKind.Object && output.TryGetProperty("outputs", out var outputs) && outputs.ValueKind == JsonValueKind.Array && outputs.GetArrayLength() > 0
        && outputs.EnumerateArray().All(o => o.ValueKind == JsonValueKind.Object && o.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String && o.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Array)
            ? outputs : null;

    private static string Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Null => "",
        _ => value.GetRawText(),
    };

    /// <summary>RFC 4180.</summary>
    private static string Line(IEnumerable<string> cells)
    {
        var line = new StringBuilder();
        foreach (var cell in cells)
        {
            line.Append(line.Length == 0 ? "" : ",");
            line.Append(cell.AsSpan().IndexOfAny(",\"\r\n") < 0 ? cell : "\"" + cell.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"");
        }

        return line.Append("\r\n").ToString();
    }
}
