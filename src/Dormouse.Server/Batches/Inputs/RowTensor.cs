using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Dormouse.Protocol.Inference;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>An input of a model, and the columns of a table that it is made of.</summary>
internal sealed record RowTensor(TensorInfo Input, ImmutableArray<int> Columns)
{
    /// <summary>Columns that bear the names of all inputs are those inputs; otherwise a model with one input gets all columns as its row, in their order.</summary>
    /// <exception cref="InputUnreadableException">They do not fit.</exception>
    public static ImmutableArray<RowTensor> Match(ImmutableArray<string> columns, ImmutableArray<TensorInfo> inputs)
    {
        var isNamed = inputs.All(i => columns.Contains(i.Name, StringComparer.Ordinal));
        if (!isNamed && inputs.Length != 1)
        {
            throw new InputUnreadableException(
                $"Its columns are {string.Join(", ", columns)}; the model's inputs are {string.Join(", ", inputs.Select(i => i.Name))}. Name a column after each input, or send JSON lines.");
        }

        if (isNamed && columns.Length != inputs.Length)
        {
            throw new InputUnreadableException($"It has columns that are no input of the model: {string.Join(", ", columns.Except(inputs.Select(i => i.Name), StringComparer.Ordinal))}.");
        }

        return [.. inputs.Select(i => new RowTensor(i, isNamed ? [columns.IndexOf(i.Name)] : [.. Enumerable.Range(0, columns.Length)]))];
    }

    /// <summary>The first unknown size is 1: one item. A further one takes what is left. Null when so many values do not fit.</summary>
    public ImmutableArray<long>? Shape(int values)
    {
        var shape = Input.Shape.ToArray();
        var unknown = Enumerable.Range(0, shape.Length).Where(i => shape[i] < 0).ToList();
        var known = shape.Where(s => s >= 0).Aggregate(1L, (product, size) => product * size);
        foreach (var place in unknown.SkipLast(1))
        {
            shape[place] = 1;
        }

        if (unknown is [.., var last])
        {
            shape[last] = known > 0 && (unknown.Count > 1 || last > 0 || shape.Length == 1) && values % known == 0 ? values / known : 1;
        }

        return shape.Aggregate(1L, (product, size) => product * size) == values ? [.. shape] : null;
    }

    public string Misfit(int values) => Unfit(values) + " Send JSON lines, where each line says its shape.";

    /// <summary>The same without what to do.</summary>
    public string Unfit(int values) => $"Its rows have {values} {(values == 1 ? "value" : "values")} for input '{Input.Name}', whose shape is [{string.Join(',', Input.Shape)}]: that does not fit.";

    /// <summary>Writes the text as an element of a tensor; false when it is none of its kind.</summary>
    public static bool TryWrite(Utf8JsonWriter writer, string datatype, string field)
    {
        var text = field.Trim();
        switch (datatype)
        {
            case "BYTES":
                writer.WriteStringValue(field);
                return true;
            case "BOOL":
                var isTrue = text is "1" || text.Equals("true", StringComparison.OrdinalIgnoreCase);
                writer.WriteBooleanValue(isTrue);
                return isTrue || text is "0" || text.Equals("false", StringComparison.OrdinalIgnoreCase);
            case "UINT64" when ulong.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var unsigned):
                writer.WriteNumberValue(unsigned);
                return true;
            case "FP16" or "BF16" or "FP32" or "FP64" when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && double.IsFinite(real):
                writer.WriteNumberValue(real);
                return true;
            case "INT8" or "INT16" or "INT32" or "INT64" or "UINT8" or "UINT16" or "UINT32" when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole):
                writer.WriteNumberValue(whole);
                return true;
            default:
                return false;
        }
    }
}
