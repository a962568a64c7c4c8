using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Inference;
using nietras.SeparatedValues;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>A whole table as one inference request: what its columns mean is as in a batch job, and its rows are the rows of each tensor.</summary>
internal static class CsvTensors
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The body of the request; null with a sentence when the table does not fit the model.</summary>
    /// <param name="csv">UTF-8, the names of the columns first.</param>
    public static byte[]? Compose(ReadOnlySpan<byte> csv, ImmutableArray<TensorInfo> inputs, out string fault)
    {
        try
        {
            var text = Utf8.GetString(csv).TrimStart('\ufeff');
            fault = "";
            return Compose(text, inputs);
        }
        catch (DecoderFallbackException)
        {
            fault = "The table is not UTF-8 text.";
            return null;
        }
        catch (InputUnreadableException misfit)
        {
            fault = misfit.Message;
            return null;
        }
        catch (Exception e) when (e is InvalidDataException or ArgumentException or NotSupportedException)
        {
            // The library's limits, such as the most columns that a row may have.
            fault = "The table cannot be read: " + e.Message;
            return null;
        }
    }

    private static byte[] Compose(string text, ImmutableArray<TensorInfo> inputs)
    {
        var end = text.AsSpan().IndexOfAny('\r', '\n');
        var separator = CsvReader.SeparatorOf(end < 0 ? text : text[..end]);
        using var reader = new Sep(separator).Reader(o => o with { HasHeader = false, Unescape = true, DisableColCountCheck = true }).FromText(text);
        ImmutableArray<string> columns = [];
        ImmutableArray<Column> tensors = [];
        var rows = 0;
        try
        {
            foreach (var row in reader)
            {
                if (columns.IsEmpty)
                {
                    columns = CsvReader.Header(Texts(row));
                    tensors = [.. RowTensor.Match(columns, inputs).Select(t => new Column(t))];
                }
                else if (row.ColCount > 1 || !row[0].Span.IsWhiteSpace())
                {
                    rows++;
                    Add(row, rows, columns, tensors);
                }
            }

            return rows > 0 ? Write(tensors, rows) : throw new InputUnreadableException("The table has no row below the names of its columns.");
        }
        finally
        {
            foreach (var tensor in tensors)
            {
                tensor.Dispose();
            }
        }
    }

    private static ImmutableArray<string> Texts(SepReader.Row row)
    {
        var texts = ImmutableArray.CreateBuilder<string>(row.ColCount);
        for (var i = 0; i < row.ColCount; i++)
        {
            texts.Add(row[i].ToString());
        }

        return texts.ToImmutable();
    }

    private static void Add(SepReader.Row row, int number, ImmutableArray<string> columns, ImmutableArray<Column> tensors)
    {
        if (row.ColCount != columns.Length)
        {
            throw new InputUnreadableException(string.Create(CultureInfo.InvariantCulture, $"Row {number} has {row.ColCount} fields; the first line names {columns.Length} columns."));
        }

        foreach (var column in tensors)
        {
            foreach (var place in column.Tensor.Columns)
            {
                var field = row[place].ToString();
                if (!RowTensor.TryWrite(column.Data, column.Tensor.Input.Datatype, field))
                {
                    throw new InputUnreadableException(string.Create(
                        CultureInfo.InvariantCulture, $"Row {number}: column '{columns[place]}' is '{ShownText.Of(field)}'; input '{column.Tensor.Input.Name}' takes {column.Tensor.Input.Datatype}."));
                }
            }
        }
    }

    private static byte[] Write(ImmutableArray<Column> tensors, int rows)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("inputs");
            foreach (var column in tensors)
            {
                json.WriteStartObject();
                json.WriteString("name", column.Tensor.Input.Name);
                json.WriteString("datatype", column.Tensor.Input.Datatype);
                json.WriteStartArray("shape");
                foreach (var size in Shape(column.Tensor, rows))
                {
                    json.WriteNumberValue(size);
                }

                json.WriteEndArray();
                json.WritePropertyName("data");
                json.WriteRawValue(column.Whole().Span, skipInputValidation: true);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>That of one row; of several the first size, which must be free, is their number.</summary>
    private static ImmutableArray<long> Shape(RowTensor tensor, int rows)
    {
        var ofOne = tensor.Shape(tensor.Columns.Length) ?? throw new InputUnreadableException(tensor.Unfit(tensor.Columns.Length));
        if (rows == 1)
        {
            return ofOne;
        }

        return tensor.Input.Shape is [< 0, ..] && ofOne[0] == 1
            ? ofOne.SetItem(0, rows)
            : throw new InputUnreadableException(string.Create(
                CultureInfo.InvariantCulture, $"The table has {rows} rows; input '{tensor.Input.Name}', whose shape is [{string.Join(',', tensor.Input.Shape)}], takes one at a time. Run it as a batch job ('dormouse batch')."));
    }

    private sealed class Column : IDisposable
    {
        private readonly ArrayBufferWriter<byte> _buffer = new();

        public Column(RowTensor tensor)
        {
            Tensor = tensor;
            Data = new Utf8JsonWriter(_buffer);
            Data.WriteStartArray();
        }

        public RowTensor Tensor { get; }

        /// <summary>The elements, row by row.</summary>
        public Utf8JsonWriter Data { get; }

        public ReadOnlyMemory<byte> Whole()
        {
            Data.WriteEndArray();
            Data.Flush();
            return _buffer.WrittenMemory;
        }

        public void Dispose() => Data.Dispose();
    }
}
