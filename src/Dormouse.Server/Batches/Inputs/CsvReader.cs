using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Dormouse.Core.Batches;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;
using nietras.SeparatedValues;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>Comma-separated values: the first row names the columns, each other row is one item. Offsets are ours, so that reading goes on in the middle; fields are the library's.</summary>
internal sealed class CsvReader : IItemReader
{
    private static readonly char[] Separators = [',', ';', '\t', '|'];

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Stream _stream;
    private readonly RecordSplitter _records;
    private readonly CsvRow _row;
    private readonly Sep _separator;
    private readonly int _bytesMax;

    private CsvReader(Stream stream, RecordSplitter records, CsvRow row, char separator, int bytesMax) =>
        (_stream, _records, _row, _separator, _bytesMax) = (stream, records, row, new Sep(separator), bytesMax);

    /// <param name="stream">It can seek; the reader disposes of it.</param>
    /// <param name="mark">Null = behind the header.</param>
    /// <param name="bytesMax">Longest row that is an item.</param>
    /// <param name="rowOf">Says what columns of these names become.</param>
    /// <exception cref="InputUnreadableException">It has no header, or its columns do not fit.</exception>
    public static async Task<CsvReader> OpenAsync(Stream stream, string? mark, int bytesMax, Func<ImmutableArray<string>, CsvRow> rowOf, CancellationToken cancellationToken)
    {
        var records = new RecordSplitter(stream, bytesMax, hasQuotes: true);
        records.MoveTo(0, 1);
        await records.SkipByteOrderMarkAsync(cancellationToken);
        if (await records.NextAsync(cancellationToken) is not { Fault: RecordFault.None } header || Text(header.Bytes.Span) is not { } text || text.Length == 0 || text.Contains('\0'))
        {
            throw new InputUnreadableException("Its first line is no header: a CSV file begins with the names of its columns, such as 'name,age'.");
        }

        var separator = SeparatorOf(text);
        var names = Header(Fields(new Sep(separator), text));
        if (mark is not null)
        {
            var at = LineMark.Parse(mark);
            records.MoveTo(at.Offset, at.Line);
        }

        return new CsvReader(stream, records, rowOf(names), separator, bytesMax);
    }

    /// <summary>The one that the first line has most of.</summary>
    public static char SeparatorOf(string firstLine) => Separators.MaxBy(s => firstLine.Count(c => c == s));

    /// <summary>The names of columns.</summary>
    /// <exception cref="InputUnreadableException">They do not tell the columns apart.</exception>
    public static ImmutableArray<string> Header(ImmutableArray<string> names) => names.Distinct(StringComparer.Ordinal).Count() == names.Length && !names.Contains("")
        ? names
        : throw new InputUnreadableException("Two of its columns have the same name, or one has none; each column needs a name of its own in the first line.");

    public async ValueTask<InputPiece?> NextAsync(CancellationToken cancellationToken)
    {
        if (await _records.NextAsync(cancellationToken) is not { } record)
        {
            return null;
        }

        var (name, mark) = (string.Create(CultureInfo.InvariantCulture, $"line {record.Line}"), new LineMark(record.End, record.NextLine).ToString());
        InputPiece Broken(ProblemCode code, string detail) => new InputPiece.Broken(name, new ItemFault(code.Code, detail), mark, record.End);
        if (record.Fault != RecordFault.None)
        {
            return record.Fault == RecordFault.TooLong
                ? Broken(ProblemCode.BodyTooLarge, LinesReader.TooLong(_bytesMax))
                : Broken(ProblemCode.InputInvalid, "A quote in this row is never closed.");
        }

        if (record.Bytes.Span.Trim(" \t"u8).IsEmpty)
        {
            return new InputPiece.Nothing(name, mark, record.End);
        }

        if (Text(record.Bytes.Span) is not { } text)
        {
            return Broken(ProblemCode.InputInvalid, "The row is not UTF-8 text.");
        }

        return _row.Compose(Fields(_separator, text), out var fault) is { } body
            ? new InputPiece.Request(name, body, MediaTypes.Json, mark, record.End)
            : Broken(ProblemCode.InputInvalid, fault);
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private static string? Text(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static ImmutableArray<string> Fields(Sep separator, string row)
    {
        using var reader = separator.Reader(o => o with { HasHeader = false, Unescape = true, DisableColCountCheck = true }).FromText(row);
        foreach (var fields in reader)
        {
            var texts = ImmutableArray.CreateBuilder<string>(fields.ColCount);
            for (var i = 0; i < fields.ColCount; i++)
            {
                texts.Add(fields[i].ToString());
            }

            return texts.ToImmutable();
        }

        return [];
    }
}
