using System.Globalization;
using System.Text.Json;
using Dormouse.Core.Batches;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>JSON lines: each line that is not blank is the body of a request.</summary>
internal sealed class LinesReader : IItemReader
{
    private readonly Stream _stream;
    private readonly RecordSplitter _records;
    private readonly int _bytesMax;
    private bool _isAtBeginning;

    /// <param name="stream">It can seek; the reader disposes of it.</param>
    /// <param name="mark">Null = from the beginning.</param>
    /// <param name="bytesMax">Longest line that is an item.</param>
    public LinesReader(Stream stream, string? mark, int bytesMax)
    {
        (_stream, _bytesMax, _isAtBeginning) = (stream, bytesMax, mark is null);
        _records = new RecordSplitter(stream, bytesMax, hasQuotes: false);
        var at = LineMark.Parse(mark);
        _records.MoveTo(at.Offset, at.Line);
    }

    public async ValueTask<InputPiece?> NextAsync(CancellationToken cancellationToken)
    {
        if (_isAtBeginning)
        {
            _isAtBeginning = false;
            await _records.SkipByteOrderMarkAsync(cancellationToken);
        }

        if (await _records.NextAsync(cancellationToken) is not { } record)
        {
            return null;
        }

        var (name, mark) = (string.Create(CultureInfo.InvariantCulture, $"line {record.Line}"), new LineMark(record.End, record.NextLine).ToString());
        if (record.Fault == RecordFault.TooLong)
        {
            return new InputPiece.Broken(name, new ItemFault(ProblemCode.BodyTooLarge.Code, TooLong(_bytesMax)), mark, record.End);
        }

        var text = record.Bytes.Span.Trim(" \t\r"u8);
        return text.IsEmpty ? new InputPiece.Nothing(name, mark, record.End)
            : Fault(text) is { } fault ? new InputPiece.Broken(name, new ItemFault(ProblemCode.InputInvalid.Code, fault), mark, record.End)
            : new InputPiece.Request(name, text.ToArray(), MediaTypes.Json, mark, record.End);
    }

    public static string TooLong(int bytesMax) => $"It is longer than the {bytesMax} bytes that are queued (queues.body_limit).";

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private static string? Fault(ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text);
        try
        {
            while (reader.Read())
            {
            }

            return null;
        }
        catch (JsonException e)
        {
            return string.Create(CultureInfo.InvariantCulture, $"The line is not valid JSON (byte {(e.BytePositionInLine ?? 0) + 1}).");
        }
    }
}
