using System.Globalization;

namespace Dormouse.Simulation.Traces;

/// <summary>Rows of a comma-separated file with a header, read one after another. Cells are not quoted: no trace that is read here has commas in them.</summary>
internal sealed class CsvTable : IDisposable
{
    private readonly TextReader _reader;
    private string[] _cells = [];

    private CsvTable(string file, TextReader reader, string[] header)
    {
        File = file;
        _reader = reader;
        Header = header;
        Line = 1;
    }

    public string File { get; }

    public IReadOnlyList<string> Header { get; }

    /// <summary>Of the row that was read last, from 1.</summary>
    public long Line { get; private set; }

    /// <exception cref="TraceException">It is empty.</exception>
    public static CsvTable Open(string file)
    {
        var reader = System.IO.File.OpenText(file);
        if (reader.ReadLine() is { } header && header.Trim().Length > 0)
        {
            return new CsvTable(file, reader, [.. header.Split(',').Select(c => c.Trim())]);
        }

        reader.Dispose();
        throw new TraceException(file, "It is empty; a header and at least one row are needed.");
    }

    public bool TryRead()
    {
        string? text;
        do
        {
            text = _reader.ReadLine();
            Line++;
        }
        while (text is not null && text.Length == 0 && _reader.Peek() < 0);
        if (text is null)
        {
            return false;
        }

        _cells = text.Split(',');
        return _cells.Length == Header.Count
            ? true
            : throw Fault($"the row has {_cells.Length} cells; the header has {Header.Count} columns");
    }

    /// <summary>Where a column is; -1 when it is not there.</summary>
    public int Find(string column)
    {
        for (var i = 0; i < Header.Count; i++)
        {
            if (Header[i] == column)
            {
                return i;
            }
        }

        return -1;
    }

    public int Column(string column) =>
        Find(column) is >= 0 and var index ? index : throw new TraceException(File, 1, $"the column '{column}' is missing; the header has: {string.Join(", ", Header.Take(12))}");

    public string Text(int column) => _cells[column].Trim() is { Length: > 0 } text ? text : throw Fault($"{Header[column]} is empty");

    public bool IsEmpty(int column) => string.IsNullOrWhiteSpace(_cells[column]);

    /// <summary>A number within bounds.</summary>
    public double Number(int column, double min, double max)
    {
        var text = Text(column);
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max
            ? value
            : throw Fault(FormattableString.Invariant($"{Header[column]} is '{text}'; allowed is a number from {min} to {max}"));
    }

    public int Whole(int column, int min, int max)
    {
        var text = Text(column);
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max
            ? value
            : throw Fault($"{Header[column]} is '{text}'; allowed is a whole number from {min} to {max}");
    }

    public TraceException Fault(string what) => new(File, Line, what + ".");

    public void Dispose() => _reader.Dispose();
}
