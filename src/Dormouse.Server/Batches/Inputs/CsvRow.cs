using System.Buffers;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Dormouse.Protocol.Inference;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>What the columns of a CSV file become: members of an object for a function, tensors for a model.</summary>
internal sealed class CsvRow
{
    private readonly ImmutableArray<string> _columns;
    private readonly ImmutableArray<(TensorInfo Input, ImmutableArray<long> Shape, ImmutableArray<int> Columns)> _tensors;

    private CsvRow(ImmutableArray<string> columns, ImmutableArray<(TensorInfo, ImmutableArray<long>, ImmutableArray<int>)> tensors) => (_columns, _tensors) = (columns, tensors);

    /// <summary>An object with a member for each column; what reads as a JSON number, true or false is one, anything else is text.</summary>
    public static CsvRow ForFunction(ImmutableArray<string> columns) => new(columns, []);

    /// <summary>Columns that bear the names of all inputs are those inputs, one value each; otherwise a model with one input gets all columns as its row, in their order.</summary>
    /// <exception cref="InputUnreadableException">They do not fit.</exception>
    public static CsvRow ForModel(ImmutableArray<string> columns, ImmutableArray<TensorInfo> inputs)
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

        return new CsvRow(columns, [.. inputs.Select(i =>
        {
            ImmutableArray<int> places = isNamed ? [columns.IndexOf(i.Name)] : [.. Enumerable.Range(0, columns.Length)];
            return (i, Shape(i, places.Length), places);
        })]);
    }

    /// <summary>The body of a request; null when the row does not fit, and why.</summary>
    public byte[]? Compose(ImmutableArray<string> fields, out string fault)
    {
        fault = "";
        if (fields.Length != _columns.Length)
        {
            fault = string.Create(CultureInfo.InvariantCulture, $"The row has {fields.Length} fields; the header names {_columns.Length} columns.");
            return null;
        }

        var buffer = new ArrayBufferWriter<byte>();
        using var writer = new Utf8JsonWriter(buffer);
        writer.WriteStartObject();
        if (_tensors.IsEmpty)
        {
            for (var i = 0; i < fields.Length; i++)
            {
                writer.WritePropertyName(_columns[i]);
                WriteAny(writer, fields[i]);
            }
        }
        else if (!TryWriteTensors(writer, fields, out fault))
        {
            return null;
        }

        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private bool TryWriteTensors(Utf8JsonWriter writer, ImmutableArray<string> fields, out string fault)
    {
        writer.WriteStartArray("inputs");
        foreach (var (input, shape, places) in _tensors)
        {
            writer.WriteStartObject();
            writer.WriteString("name", input.Name);
            writer.WriteString("datatype", input.Datatype);
            writer.WriteStartArray("shape");
            foreach (var size in shape)
            {
                writer.WriteNumberValue(size);
            }

            writer.WriteEndArray();
            writer.WriteStartArray("data");
            foreach (var place in places)
            {
                if (!TryWrite(writer, input.Datatype, fields[place]))
                {
                    fault = $"Column '{_columns[place]}' is '{Core.Endpoints.ShownText.Of(fields[place])}'; input '{input.Name}' takes {input.Datatype}.";
                    return false;
                }
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        fault = "";
        return true;
    }

    /// <summary>The first unknown size is 1: one item. A further one takes what is left.</summary>
    private static ImmutableArray<long> Shape(TensorInfo input, int values)
    {
        var shape = input.Shape.ToArray();
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

        return shape.Aggregate(1L, (product, size) => product * size) == values
            ? [.. shape]
            : throw new InputUnreadableException(
                $"Its rows have {values} {(values == 1 ? "value" : "values")} for input '{input.Name}', whose shape is [{string.Join(',', input.Shape)}]: that does not fit. Send JSON lines, where each line says its shape.");
    }

    private static bool TryWrite(Utf8JsonWriter writer, string datatype, string field)
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

    [SuppressMessage("Style", "IDE0010", Justification = "Every other kind of token is text here.")]
    private static void WriteAny(Utf8JsonWriter writer, string field)
    {
        if (field.Length is > 0 and < 64)
        {
            var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(field));
            try
            {
                if (reader.Read() && reader.TokenType is JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False && !reader.Read())
                {
                    writer.WriteRawValue(field);
                    return;
                }
            }
            catch (JsonException)
            {
                // It is text, then.
            }
        }

        writer.WriteStringValue(field);
    }
}
