using System.Collections.Immutable;
using Dormouse.Protocol.Inference;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>What the columns of a Parquet file become: members of an object for a function, tensors for a model.</summary>
internal sealed class ParquetRow
{
    private readonly ImmutableArray<RowTensor> _tensors;

    private ParquetRow(ImmutableArray<RowTensor> tensors) => _tensors = tensors;

    public static ParquetRow ForFunction() => new([]);

    /// <summary>As of a CSV file; a list gives as many values as it has.</summary>
    /// <exception cref="InputUnreadableException">They do not fit.</exception>
    public static ParquetRow ForModel(ImmutableArray<ParquetColumn> columns, ImmutableArray<TensorInfo> inputs)
    {
        var tensors = RowTensor.Match([.. columns.Select(c => c.Name)], inputs);
        var misfit = tensors.FirstOrDefault(t => !t.Columns.Any(c => columns[c].IsList) && t.Shape(t.Columns.Length) is null);
        return misfit is null ? new ParquetRow(tensors) : throw new InputUnreadableException(misfit.Misfit(misfit.Columns.Length));
    }

    /// <summary>Reads the next row into the sink.</summary>
    public async ValueTask ReadAsync(ImmutableArray<ParquetColumn> columns, ImmutableArray<ColumnCursor> cursors, CellSink sink, CancellationToken cancellationToken)
    {
        sink.BeginRow();
        sink.Writer.WriteStartObject();
        if (_tensors.IsEmpty)
        {
            for (var i = 0; i < cursors.Length; i++)
            {
                sink.BeginColumn(columns[i]);
                if (sink.IsOpen)
                {
                    sink.Writer.WritePropertyName(columns[i].Name);
                }

                await cursors[i].ReadAsync(sink, cancellationToken);
            }
        }
        else
        {
            await ReadTensorsAsync(columns, cursors, sink, cancellationToken);
        }

        if (sink.IsOpen)
        {
            sink.Writer.WriteEndObject();
        }
    }

    private async ValueTask ReadTensorsAsync(ImmutableArray<ParquetColumn> columns, ImmutableArray<ColumnCursor> cursors, CellSink sink, CancellationToken cancellationToken)
    {
        sink.Writer.WriteStartArray("inputs");
        foreach (var tensor in _tensors)
        {
            if (sink.IsOpen)
            {
                sink.Writer.WriteStartObject();
                sink.Writer.WriteString("name", tensor.Input.Name);
                sink.Writer.WriteString("datatype", tensor.Input.Datatype);
                sink.Writer.WriteStartArray("data");
            }

            sink.BeginInput();
            foreach (var place in tensor.Columns)
            {
                sink.BeginColumn(columns[place], tensor.Input.Name, tensor.Input.Datatype);
                await cursors[place].ReadAsync(sink, cancellationToken);
            }

            if (sink.IsOpen)
            {
                EndTensor(sink, tensor);
            }
        }

        if (sink.IsOpen)
        {
            sink.Writer.WriteEndArray();
        }
    }

    /// <summary>How many values there are is known when they were written, and members of an object have no order.</summary>
    private static void EndTensor(CellSink sink, RowTensor tensor)
    {
        sink.Writer.WriteEndArray();
        if (tensor.Shape(sink.Count) is not { } shape)
        {
            sink.Refuse(tensor.Misfit(sink.Count));
            return;
        }

        sink.Writer.WriteStartArray("shape");
        foreach (var size in shape)
        {
            sink.Writer.WriteNumberValue(size);
        }

        sink.Writer.WriteEndArray();
        sink.Writer.WriteEndObject();
    }
}
