using System.Runtime.InteropServices;
using Dormouse.Protocol.Inference;
using Dormouse.Worker.Engine;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>A sequence of maps laid out as a table: a row for each map, a column for each key in ascending order (text by bytes).</summary>
internal sealed class MapTable
{
    private readonly OutputPlan.Maps _plan;
    private readonly int _rows;
    private readonly int _columns;
    private readonly byte[] _values;
    private readonly byte[] _numberKeys;
    private readonly TensorBytes? _textKeys;

    private MapTable(OutputPlan.Maps plan, int rows, int columns, byte[] values, byte[] numberKeys, TensorBytes? textKeys)
    {
        _plan = plan;
        _rows = rows;
        _columns = columns;
        _values = values;
        _numberKeys = numberKeys;
        _textKeys = textKeys;
    }

    internal static MapTable Of(OrtValue sequence, OutputPlan.Maps plan) => plan.Keys == Datatype.Int64
        ? Build(sequence, plan, static keys => keys.GetTensorDataAsSpan<long>().ToArray(), Comparer<long>.Default,
            static sorted => (MemoryMarshal.AsBytes<long>(sorted).ToArray(), null))
        : Build(sequence, plan, static keys => keys.GetStringTensorAsArray(), StringComparer.Ordinal,
            static sorted => ([], TensorBytes.FromStrings(sorted)));

    /// <summary>The table itself or the keys of its columns.</summary>
    internal OutputTensor Output(string name, bool isKeys, bool binary) => isKeys
        ? new OutputTensor { Name = name, Datatype = _plan.Keys, Shape = [_columns], Data = _numberKeys, Strings = _textKeys, Binary = binary }
        : new OutputTensor { Name = name, Datatype = _plan.Values, Shape = [_rows, _columns], Data = _values, Binary = binary };

    private static MapTable Build<TKey>(
        OrtValue sequence, OutputPlan.Maps plan, Func<OrtValue, TKey[]> read, IComparer<TKey> order, Func<TKey[], (byte[] Numbers, TensorBytes? Texts)> write)
        where TKey : notnull
    {
        var rows = sequence.GetValueCount();
        var size = plan.Values.ElementSize();
        var maps = new (TKey[] Keys, byte[] Values)[rows];
        var seen = new SortedSet<TKey>(order);
        for (var row = 0; row < rows; row++)
        {
            using var map = sequence.GetValue(row, OrtAllocator.DefaultInstance);
            using var keys = map.GetValue(0, OrtAllocator.DefaultInstance);
            using var values = map.GetValue(1, OrtAllocator.DefaultInstance);
            maps[row] = (read(keys), values.GetTensorMutableRawData().ToArray());
            seen.UnionWith(maps[row].Keys);
        }

        TKey[] sorted = [.. seen];
        var table = new byte[checked(rows * sorted.Length * size)];
        for (var row = 0; row < rows; row++)
        {
            for (var i = 0; i < maps[row].Keys.Length; i++)
            {
                var column = Array.BinarySearch(sorted, maps[row].Keys[i], order);
                maps[row].Values.AsSpan(i * size, size).CopyTo(table.AsSpan(((row * sorted.Length) + column) * size));
            }
        }

        var (numbers, texts) = write(sorted);
        return new MapTable(plan, rows, sorted.Length, table, numbers, texts);
    }
}
