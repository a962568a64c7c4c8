using System.Buffers;
using System.Text.Json;
using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>Takes the values of a row and writes them as JSON. When something does not fit, the rest of the row is passed over: it must still be read.</summary>
internal sealed class CellSink : IDisposable
{
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly int _bytesMax;
    private ParquetColumn? _column;
    private string? _datatype;
    private string? _input;

    /// <param name="bytesMax">Longest row that is an item.</param>
    public CellSink(int bytesMax) => (_bytesMax, Writer) = (bytesMax, new Utf8JsonWriter(_buffer));

    public Utf8JsonWriter Writer { get; }

    /// <summary>Why the row is no item; null as long as it is one.</summary>
    public string? Fault { get; private set; }

    public bool IsTooLong { get; private set; }

    /// <summary>Values written since the column, or the input, began.</summary>
    public int Count { get; private set; }

    public bool IsOpen => Fault is null && !IsTooLong;

    public void BeginRow()
    {
        _buffer.ResetWrittenCount();
        Writer.Reset();
        (Fault, IsTooLong) = (null, false);
    }

    public byte[] EndRow()
    {
        Writer.Flush();
        return _buffer.WrittenSpan.ToArray();
    }

    /// <summary>Values are written as what they are.</summary>
    public void BeginColumn(ParquetColumn column) => (_column, _datatype, _input, Count) = (column, null, null, 0);

    /// <summary>Values are written as elements of a tensor.</summary>
    public void BeginColumn(ParquetColumn column, string input, string datatype) => (_column, _datatype, _input) = (column, datatype, input);

    public void BeginInput() => Count = 0;

    public void Refuse(string fault) => Fault ??= fault;

    public void BeginList()
    {
        if (IsOpen && _datatype is null)
        {
            Writer.WriteStartArray();
        }
    }

    public void EndList()
    {
        if (IsOpen && _datatype is null)
        {
            Writer.WriteEndArray();
        }
    }

    public void Null()
    {
        if (_datatype is not null)
        {
            Refuse($"Column '{_column!.Name}' is null; input '{_input}' takes {_datatype}.");
        }
        else if (IsOpen)
        {
            Writer.WriteNullValue();
            Measure();
        }
    }

    public void Add(ReadOnlySpan<byte> value)
    {
        if (!IsOpen)
        {
            return;
        }

        if (value.Length > _bytesMax)
        {
            IsTooLong = true;
            return;
        }

        var cell = CellText.Of(_column!, value, out var fault);
        if (cell.Text is not { } text)
        {
            Refuse($"Column '{_column!.Name}' {fault}.");
        }
        else if (_datatype is not null)
        {
            if (!RowTensor.TryWrite(Writer, _datatype, text))
            {
                Refuse($"Column '{_column!.Name}' is '{ShownText.Of(text)}'; input '{_input}' takes {_datatype}.");
            }
        }
        else if (cell.IsLiteral)
        {
            Writer.WriteRawValue(text, skipInputValidation: true);
        }
        else
        {
            Writer.WriteStringValue(text);
        }

        Measure();
    }

    public void Dispose() => Writer.Dispose();

    private void Measure()
    {
        Count++;
        IsTooLong |= Writer.BytesCommitted + Writer.BytesPending > _bytesMax;
    }
}
