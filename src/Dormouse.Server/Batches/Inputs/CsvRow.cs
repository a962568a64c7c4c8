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
    private readonly ImmutableArray<(RowTensor Tensor, ImmutableArray<long> Shape)> _tensors;

    private CsvRow(ImmutableArray<string> columns, ImmutableArray<(RowTensor, ImmutableArray<long>)> tensors) => (_columns, _tensors) = (columns, tensors);

    /// <summary>An object with a member for each column; what reads as a JSON number, true or false is one, anything else is text.</summary>
    public static CsvRow ForFunction(ImmutableArray<string> columns) => new(columns, []);

    /// <summary>Columns that bear the names of all inputs are those inputs, one value each; otherwise a model with one input gets all columns as its row, in their order.</summary>
    /// <exception cref="InputUnreadableException">They do not fit.</exception>
    public static CsvRow ForModel(ImmutableArray<string> columns, ImmutableArray<TensorInfo> inputs)
    {
        var tensors = RowTensor.Match(columns, inputs);
        return new CsvRow(columns, [.. tensors.Select(t => (t, t.Shape(t.Columns.Length) ?? throw new InputUnreadableException(t.Misfit(t.Columns.Length))))]);
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
        foreach (var (tensor, shape) in _tensors)
        {
            writer.WriteStartObject();
            writer.WriteString("name", tensor.Input.Name);
            writer.WriteString("datatype", tensor.Input.Datatype);
            writer.WriteStartArray("shape");
            foreach (var size in shape)
            {
                writer.WriteNumberValue(size);
            }

            writer.WriteEndArray();
            writer.WriteStartArray("data");
            foreach (var place in tensor.Columns)
            {
                if (!RowTensor.TryWrite(writer, tensor.Input.Datatype, fields[place]))
                {
                    fault = $"Column '{_columns[place]}' is '{Core.Endpoints.ShownText.Of(fields[place])}'; input '{tensor.Input.Name}' takes {tensor.Input.Datatype}.";
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
