using System.Collections.Immutable;

namespace Dormouse.Simulation.Knative;

/// <summary>
/// The two tables of a recording. A sample is [second, load or null, ready pods]; a tick is [second, kind, stable average, panic average, wanted, wanted within
/// bounds, panic, panic pods, excess burst capacity], with nulls where nothing was decided.
/// </summary>
internal static class KnativeRows
{
    private const int SampleColumns = 3;
    private const int TickColumns = 9;

    public static ImmutableArray<RecordedSecond> Seconds(ImmutableArray<ImmutableArray<double?>> rows)
    {
        var seconds = ImmutableArray.CreateBuilder<RecordedSecond>(rows.Length);
        for (var i = 0; i < rows.Length; i++)
        {
            var row = new Row("samples", i, rows[i], SampleColumns);
            var second = row.Whole(0);
            if (i > 0 && second != seconds[i - 1].Second + 1)
            {
                throw row.Fault($"its second is {second}, after {seconds[i - 1].Second}: one sample for every second is needed, in order");
            }

            if (row.Number(1) < 0)
            {
                throw row.Fault("its load is below 0");
            }

            seconds.Add(new RecordedSecond(second, row.Number(1), (int)row.Whole(2)));
        }

        return seconds.Count > 0 ? seconds.DrainToImmutable() : throw new RecordingException("'samples' is empty.");
    }

    public static ImmutableArray<RecordedTick> Ticks(ImmutableArray<ImmutableArray<double?>> rows, ImmutableArray<RecordedSecond> seconds)
    {
        var ticks = ImmutableArray.CreateBuilder<RecordedTick>(rows.Length);
        for (var i = 0; i < rows.Length; i++)
        {
            var row = new Row("ticks", i, rows[i], TickColumns);
            var second = row.Whole(0);
            if (i > 0 && second <= ticks[i - 1].Second)
            {
                throw row.Fault($"its second is {second}, after {ticks[i - 1].Second}: time goes forward");
            }

            if (second < seconds[0].Second || second > seconds[^1].Second)
            {
                throw row.Fault($"its second {second} has no sample; those go from {seconds[0].Second} to {seconds[^1].Second}");
            }

            ticks.Add(new RecordedTick(second, row.Number(4) is null ? null : Answer(row)));
        }

        return ticks.Count > 0 ? ticks.DrainToImmutable() : throw new RecordingException("'ticks' is empty.");
    }

    private static RecordedAnswer Answer(in Row row) => new(
        row.Real(2), row.Real(3), (int)row.Whole(4), (int)row.Whole(5), row.Whole(6) != 0, (int)row.Whole(7), (long)row.Real(8));

    private readonly struct Row
    {
        private readonly string _table;
        private readonly int _index;
        private readonly ImmutableArray<double?> _cells;

        public Row(string table, int index, ImmutableArray<double?> cells, int columns)
        {
            (_table, _index, _cells) = (table, index, cells);
            if (cells.IsDefault || cells.Length != columns)
            {
                throw Fault($"it has {(cells.IsDefault ? 0 : cells.Length)} columns instead of {columns}");
            }
        }

        public double? Number(int column) => _cells[column];

        public double Real(int column) => _cells[column] ?? throw Fault($"column {column + 1} is null");

        /// <summary>A whole number from 0 to two thousand million.</summary>
        public long Whole(int column)
        {
            var value = Real(column);
            return value is >= 0 and <= int.MaxValue && Math.Floor(value) == value
                ? (long)value
                : throw Fault(FormattableString.Invariant($"column {column + 1} is {value}, not a whole number of 0 or more"));
        }

        public RecordingException Fault(string what) => new($"'{_table}[{_index}]': {what}.");
    }
}
