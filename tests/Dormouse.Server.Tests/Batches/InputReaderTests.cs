using System.Collections.Immutable;
using System.Formats.Tar;
using System.Text;
using CsCheck;
using Dormouse.Protocol.Inference;
using Dormouse.Server.Batches.Inputs;

namespace Dormouse.Server.Tests.Batches;

/// <summary>Inputs become items, one by one, and reading goes on at every mark.</summary>
public sealed class InputReaderTests
{
    private const int BytesMax = 200;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_line_is_an_item_a_broken_one_costs_itself_and_blank_ones_are_none()
    {
        var text = "\uFEFF{\"a\":1}\n\n[1,\n\"x\"\r\n" + new string('9', BytesMax + 1) + "\n  \n7";

        var pieces = await AllAsync(mark => new ValueTask<IItemReader>(new LinesReader(Bytes(text), mark, BytesMax)));

        Assert.Equal(
            ["line 1 {\"a\":1}", "line 2 nothing", "line 3 input_invalid", "line 4 \"x\"", "line 5 body_too_large", "line 6 nothing", "line 7 7"],
            pieces.Select(Shown));
    }

    [Fact]
    public async Task Rows_of_a_table_become_objects_with_numbers_where_they_read_as_such()
    {
        const string Text = "name;age;note\r\nAda;36;\"said \"\"hi\"\";\nthen left\"\n\nBob;007;true\nEve;1\n\"open;1;2\nLast;1e3;\n";

        var pieces = await AllAsync(async mark => await CsvReader.OpenAsync(Bytes(Text), mark, BytesMax, CsvRow.ForFunction, Cancellation));

        Assert.Equal(
            [
                """line 2 {"name":"Ada","age":36,"note":"said \u0022hi\u0022;\nthen left"}""", "line 4 nothing", """line 5 {"name":"Bob","age":"007","note":true}""", "line 6 input_invalid",
                "line 7 input_invalid", """line 8 {"name":"Last","age":1e3,"note":""}""",
            ],
            pieces.Select(Shown));
        Assert.Contains("never closed", ((InputPiece.Broken)pieces[4]).Fault.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x", "a,b,c,d\n1,2,3,4.5\n", "-1,4", "FP32", """{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4.5]}]}""")]
    [InlineData("x", "a,b\n1,2\n", "-1", "INT64", """{"inputs":[{"name":"x","datatype":"INT64","shape":[2],"data":[1,2]}]}""")]
    [InlineData("x", "a,b,c\n1,2,3\n", "-1,-1", "FP64", """{"inputs":[{"name":"x","datatype":"FP64","shape":[1,3],"data":[1,2,3]}]}""")]
    [InlineData("x,y", "y,x\n2,1\n", "-1,1", "FP32", """{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]},{"name":"y","datatype":"FP32","shape":[1,1],"data":[2]}]}""")]
    [InlineData("x", "x\n\"a,b\"\n", "1", "BYTES", """{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"data":["a,b"]}]}""")]
    public async Task Columns_become_the_tensors_of_a_model(string inputs, string text, string shape, string datatype, string expected)
    {
        var model = inputs.Split(',').Select(n => new TensorInfo(n, datatype, [.. shape.Split(',').Select(long.Parse)])).ToImmutableArray();
        await using var reader = await CsvReader.OpenAsync(Bytes(text), null, BytesMax, columns => CsvRow.ForModel(columns, model), Cancellation);

        Assert.Equal(expected, Encoding.UTF8.GetString(Assert.IsType<InputPiece.Request>(await reader.NextAsync(Cancellation)).Body.Span));
    }

    [Theory]
    [InlineData("a,b\n1,2\n", "does not fit")]
    [InlineData("", "no header")]
    [InlineData("a,a\n1,2\n", "same name")]
    [InlineData("\u0001\u0000\u0002", "no header")]
    public async Task A_table_that_does_not_fit_is_told_as_a_whole(string text, string expected)
    {
        ImmutableArray<TensorInfo> model = [new TensorInfo("x", "FP32", [-1, 4])];

        var fault = await Assert.ThrowsAsync<InputUnreadableException>(() => CsvReader.OpenAsync(Bytes(text), null, BytesMax, columns => CsvRow.ForModel(columns, model), Cancellation));

        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_value_that_is_no_number_is_an_error_of_its_row()
    {
        ImmutableArray<TensorInfo> model = [new TensorInfo("x", "INT8", [1])];
        await using var reader = await CsvReader.OpenAsync(Bytes("x\nmany\n"), null, BytesMax, columns => CsvRow.ForModel(columns, model), Cancellation);

        Assert.Contains("Column 'x' is 'many'", Assert.IsType<InputPiece.Broken>(await reader.NextAsync(Cancellation)).Fault.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_of_an_archive_are_items_by_what_they_are()
    {
        var archive = new MemoryStream();
        await using (var writer = new TarWriter(archive, TarEntryFormat.Gnu, leaveOpen: true))
        {
            foreach (var (name, bytes) in ((string, byte[])[])[("a.png", [0x89, 0x50, 0x4E, 0x47, 1]), ("empty.png", []), (".DS_Store", [1]), ("none.txt", []), (new string('n', 150) + ".json", "{}"u8.ToArray()), ("big", new byte[BytesMax + 1]), ("z.txt", "z"u8.ToArray())])
            {
                await writer.WriteEntryAsync(new GnuTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(bytes) }, Cancellation);
            }
        }

        var pieces = await AllAsync(mark => new ValueTask<IItemReader>(new ArchiveReader(new MemoryStream(archive.ToArray()), mark, BytesMax)));

        Assert.Equal(
            ["a.png image/png", "empty.png input_invalid", ".DS_Store nothing", "none.txt input_invalid", new string('n', 150) + ".json application/json", "big body_too_large", "z.txt text/plain; charset=utf-8"],
            pieces.Select(p => p is InputPiece.Request r ? $"{r.Name} {r.ContentType}" : Shown(p)));
    }

    [Fact]
    public async Task What_is_no_archive_is_told()
    {
        await using var reader = new ArchiveReader(Bytes(new string('x', 2_000)), null, BytesMax);

        await Assert.ThrowsAsync<InputUnreadableException>(async () => await reader.NextAsync(Cancellation));
    }

    [Fact]
    public async Task A_folder_is_read_in_order_of_name_whatever_its_size()
    {
        var folder = Directory.CreateTempSubdirectory("dmbf").FullName;
        try
        {
            for (var i = 0; i < 2_500; i++)
            {
                await File.WriteAllTextAsync(Path.Combine(folder, $"f{i:0000}.txt"), "x", Cancellation);
            }

            File.CreateSymbolicLink(Path.Combine(folder, "f0000.link"), "/etc/passwd");
            var names = new List<string>();
            string? mark = null;
            var readBytes = 0L;
            while (true)
            {
                // Now and then another reader goes on.
                await using var reader = new FolderReader(folder, mark, readBytes, BytesMax);
                InputPiece? piece;
                for (var i = 0; (piece = await reader.NextAsync(Cancellation)) is not null && i < 700; i++)
                {
                    (mark, readBytes) = (piece.Mark, piece.ReadBytes);
                    names.Add(Shown(piece));
                }

                if (piece is null)
                {
                    break;
                }
            }

            Assert.Equal([.. Enumerable.Range(0, 2_500).Select(i => $"f{i:0000}.txt x").Prepend("f0000.link nothing")], names);
            Assert.Equal(2_500, readBytes);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>However records lie in the stream's reads, they are those that a look at the whole text gives, and reading goes on at each of their ends.</summary>
    [Fact]
    public void Records_are_cut_as_in_the_whole_text_and_go_on_at_every_end() => Gen.Select(Gen.String[Gen.Char["ab\"\n\r,"], 0, 60], Gen.Bool, Gen.Int[1, 7]).Sample((text, hasQuotes, chunk) =>
    {
        var all = Records(text, hasQuotes, chunk, 0, 1);

        Assert.Equal(Expected(text, hasQuotes), all.Select(r => r.Text));
        foreach (var (at, record) in all.Index())
        {
            Assert.Equal(all.Skip(at + 1), Records(text, hasQuotes, chunk, record.End, record.NextLine));
        }
    });

    [Fact]
    public async Task Of_an_endless_line_no_more_is_held_than_a_record_may_have()
    {
        // 256 MB in one line, then another one.
        var stream = new EndlessLine(256L << 20);
        var records = new RecordSplitter(stream, BytesMax, hasQuotes: true);

        var first = await records.NextAsync(Cancellation);
        var second = await records.NextAsync(Cancellation);

        Assert.Equal((RecordFault.TooLong, RecordFault.None, 2), (first!.Value.Fault, second!.Value.Fault, second.Value.Line));
        Assert.InRange(stream.LargestRead, 1, BytesMax + 1);
    }

    private static MemoryStream Bytes(string text) => new(Encoding.UTF8.GetBytes(text));

    internal static string Shown(InputPiece piece) => piece switch
    {
        InputPiece.Request request => $"{request.Name} {Encoding.UTF8.GetString(request.Body.Span)}",
        InputPiece.Broken broken => $"{broken.Name} {broken.Fault.Code}",
        _ => $"{piece.Name} nothing",
    };

    /// <summary>All pieces; from each mark on a new reader must give the same rest.</summary>
    internal static async Task<List<InputPiece>> AllAsync(Func<string?, ValueTask<IItemReader>> open)
    {
        var all = await RestAsync(open, null);
        foreach (var (at, piece) in all.Index())
        {
            Assert.Equal(all.Skip(at + 1).Select(p => (Shown(p), p.Mark, p.ReadBytes)), (await RestAsync(open, piece.Mark)).Select(p => (Shown(p), p.Mark, p.ReadBytes)));
        }

        return all;
    }

    internal static async Task<List<InputPiece>> RestAsync(Func<string?, ValueTask<IItemReader>> open, string? mark)
    {
        var pieces = new List<InputPiece>();
        await using var reader = await open(mark);
        while (await reader.NextAsync(Cancellation) is { } piece)
        {
            pieces.Add(piece);
        }

        return pieces;
    }

    private static List<(string Text, long End, long NextLine)> Records(string text, bool hasQuotes, int chunk, long offset, long line)
    {
        var records = new RecordSplitter(new SlowStream(Encoding.UTF8.GetBytes(text), chunk), 1_000, hasQuotes);
        records.MoveTo(offset, line);
        var found = new List<(string, long, long)>();
        while (records.NextAsync(Cancellation).AsTask().GetAwaiter().GetResult() is { } record)
        {
            found.Add((Encoding.UTF8.GetString(record.Bytes.Span), record.End, record.NextLine));
        }

        return found;
    }

    /// <summary>The same, simply: a record ends at a line end outside quotes; where a quote stays open, its first line is one.</summary>
    private static List<string> Expected(string text, bool hasQuotes)
    {
        var found = new List<string>();
        while (text.Length > 0)
        {
            var (isQuoted, end) = (false, -1);
            for (var i = 0; i < text.Length && end < 0; i++)
            {
                isQuoted ^= hasQuotes && text[i] == '"';
                end = text[i] == '\n' && !isQuoted ? i : -1;
            }

            var length = end >= 0 ? end : isQuoted && text.Contains('\n', StringComparison.Ordinal) ? text.IndexOf('\n', StringComparison.Ordinal) : text.Length;
            found.Add(length > 0 && text[length - 1] == '\r' ? text[..(length - 1)] : text[..length]);
            text = text[Math.Min(text.Length, length + 1)..];
        }

        return found;
    }

    private sealed class SlowStream(byte[] bytes, int chunk) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => base.ReadAsync(buffer[..Math.Min(chunk, buffer.Length)], cancellationToken);
    }

    private sealed class EndlessLine(long length) : Stream
    {
        private long _left = length;

        public int LargestRead { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get; set; }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            LargestRead = Math.Max(LargestRead, buffer.Length);
            if (_left > 0)
            {
                var count = (int)Math.Min(buffer.Length, _left);
                buffer.Span[..count].Fill((byte)'x');
                _left -= count;
                return new(count);
            }

            if (_left == -3)
            {
                return new(0);
            }

            buffer.Span[0] = "\n1\n"u8[(int)-_left];
            _left--;
            return new(1);
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }
    }
}
