using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dormouse.Protocol.Inference;
using Dormouse.Server.Batches.Inputs;
using Dormouse.Server.Batches.Inputs.Parquet;
using Parquet;
using Parquet.Serialization;
using Parquet.Serialization.Attributes;
using ParquetReader = Dormouse.Server.Batches.Inputs.Parquet.ParquetReader;

namespace Dormouse.Server.Tests.Batches;

/// <summary>Rows of Parquet files that another library wrote become items, and files that were made to harm cost their job and nothing else.</summary>
public sealed class ParquetReaderTests
{
    private const int BytesMax = 4_000;

    private const long HeldMax = 1L << 20;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Values_become_what_json_has_for_them()
    {
        var file = await FileAsync([
            new Everything
            {
                Small = -7, Large = long.MaxValue, Real = 0.1, Single = 0.1f, Yes = true, Text = "a \"b\" ü", Bytes = [1, 2, 255], Price = -12.30m, Day = new DateOnly(2026, 2, 28),
                Moment = new DateTime(2026, 11, 29, 13, 45, 0, 120, DateTimeKind.Utc), Id = Guid.Parse("019ad0c2-7d1e-7000-8000-5f6f1c1f9a11"), Numbers = [1, 2, 3], Words = ["x", "y"], Maybe = 5,
            },
            new Everything { Real = double.NaN, Single = 1e20f, Moment = DateTime.UnixEpoch, Day = new DateOnly(1, 1, 1), Numbers = [], Words = null, Text = null, Bytes = null, Maybe = null },
        ]);

        var pieces = await InputReaderTests.AllAsync(async mark => await OpenAsync(file, mark));

        Assert.Equal(
            [
                """row 1 {"Small":-7,"Large":9223372036854775807,"Real":0.1,"Single":0.1,"Yes":true,"Text":"a \u0022b\u0022 \u00FC","Bytes":"AQL/","Price":-12.30,"Day":"2026-02-28","Moment":"2026-11-29T13:45:00.12Z","Id":"019ad0c2-7d1e-7000-8000-5f6f1c1f9a11","Numbers":[1,2,3],"Words":["x","y"],"Maybe":5}""",
                """row 2 {"Small":0,"Large":0,"Real":"NaN","Single":1E+20,"Yes":false,"Text":null,"Bytes":null,"Price":0.00,"Day":"0001-01-01","Moment":"1970-01-01T00:00:00Z","Id":"00000000-0000-0000-0000-000000000000","Numbers":[],"Words":null,"Maybe":null}""",
            ],
            pieces.Select(InputReaderTests.Shown));
        Assert.Equal(file.Length, pieces[^1].ReadBytes);
    }

    [Theory]
    [InlineData(CompressionMethod.None)]
    [InlineData(CompressionMethod.Snappy)]
    [InlineData(CompressionMethod.Gzip)]
    [InlineData(CompressionMethod.Brotli)]
    [InlineData(CompressionMethod.Zstd)]
    public async Task Reading_goes_on_at_every_row_of_every_row_group_however_it_is_packed(CompressionMethod method)
    {
        var random = new Random(7);
        var rows = Enumerable.Range(0, 60).Select(i => new Listed
        {
            Number = i * 31,
            Word = random.Next(4) == 0 ? null : "word " + random.Next(5),
            Parts = random.Next(5) == 0 ? null : [.. Enumerable.Range(0, random.Next(4)).Select(_ => (int?)random.Next(100))],
        }).ToList();
        var file = await FileAsync(rows, new ParquetOptions { CompressionMethod = method, RowGroupSize = 25 });

        var pieces = await InputReaderTests.AllAsync(async mark => await OpenAsync(file, mark));

        Assert.Equal(rows.Select((r, i) => $"row {i + 1} {JsonSerializer.Serialize(r)}"), pieces.Select(InputReaderTests.Shown));
        Assert.Equal(["0 25", "1 1", "1 25", "2 1"], new[] { 24, 25, 49, 50 }.Select(i => pieces[i].Mark));
    }

    [Theory]
    [InlineData("first-pages-dictionaries")]
    [InlineData("second-pages-snappy")]
    [InlineData("second-pages-zstd")]
    public async Task Files_of_another_writer_have_the_rows_that_went_in(string sample)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "Batches", "Samples");
        var file = await File.ReadAllBytesAsync(Path.Combine(folder, sample + ".parquet"), Cancellation);

        var pieces = await InputReaderTests.AllAsync(async mark => await OpenAsync(file, mark));

        Assert.Equal(
            (await File.ReadAllLinesAsync(Path.Combine(folder, "rows.jsonl"), Cancellation)).Select(l => JsonNode.Parse(l)!.ToJsonString()),
            pieces.Select(p => JsonNode.Parse(Assert.IsType<InputPiece.Request>(p).Body.Span)!.ToJsonString()));
    }

    [Fact]
    public async Task Columns_and_lists_become_the_tensors_of_a_model_and_a_row_that_does_not_fit_is_an_error_of_its_own()
    {
        var file = await FileAsync([new PartsOnly { Parts = [1, 2, 3, 4] }, new PartsOnly { Parts = [1, 2, 3] }, new PartsOnly { Parts = null }, new PartsOnly { Parts = [5, 6, 7, 8] }]);
        ImmutableArray<TensorInfo> model = [new TensorInfo("Parts", "FP32", [-1, 4])];

        var pieces = await InputReaderTests.AllAsync(async mark => await OpenAsync(file, mark, columns => ParquetRow.ForModel(columns, model)));

        Assert.Equal("""row 1 {"inputs":[{"name":"Parts","datatype":"FP32","data":[1,2,3,4],"shape":[1,4]}]}""", InputReaderTests.Shown(pieces[0]));
        Assert.Contains("have 3 values for input 'Parts'", Assert.IsType<InputPiece.Broken>(pieces[1]).Fault.Detail, StringComparison.Ordinal);
        Assert.Contains("Column 'Parts' is null", Assert.IsType<InputPiece.Broken>(pieces[2]).Fault.Detail, StringComparison.Ordinal);
        Assert.IsType<InputPiece.Request>(pieces[3]);
        var fault = await Assert.ThrowsAsync<InputUnreadableException>(() => OpenAsync(file, null, columns => ParquetRow.ForModel(columns, [new TensorInfo("a", "FP32", [1]), new TensorInfo("b", "FP32", [1])])));
        Assert.Contains("the model's inputs are a, b", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_row_that_is_too_long_costs_itself_and_pages_that_are_too_large_stop_the_job()
    {
        var packed = new ParquetOptions { CompressionMethod = CompressionMethod.Zstd, DictionaryEncodingThreshold = 0 };
        var longRow = await FileAsync([new Listed { Word = "a" }, new Listed { Word = new string('b', BytesMax) }, new Listed { Word = "c" }], packed);
        var bomb = await FileAsync(Enumerable.Repeat(new Listed { Word = new string('0', 10_000) }, 2_000), packed);

        var pieces = await InputReaderTests.AllAsync(async mark => await OpenAsync(longRow, mark));
        var fault = await Assert.ThrowsAsync<InputUnreadableException>(() => InputReaderTests.RestAsync(async mark => await OpenAsync(bomb, mark), null));

        Assert.Equal(["Request", "Broken", "Request"], pieces.Select(p => p.GetType().Name));
        Assert.Equal("body_too_large", ((InputPiece.Broken)pieces[1]).Fault.Code);
        Assert.InRange(bomb.Length, 1, 200_000);
        Assert.Contains("1 MiB that may be held (batches.parquet_memory), at column 'Word'", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_none_or_has_what_is_not_read_is_refused_and_says_why()
    {
        var nested = await FileAsync([new Nested { Inner = new Listed { Number = 1 } }]);
        var packed = await FileAsync([new Listed { Number = 1 }], new ParquetOptions { CompressionMethod = CompressionMethod.Lz4Raw });
        var whole = await FileAsync([new Listed { Number = 1 }]);
        var absurd = whole.ToArray();
        BinaryPrimitives.WriteUInt32LittleEndian(absurd.AsSpan(absurd.Length - 8), uint.MaxValue);

        Assert.Contains("column 'Inner' is a structure", await RefusalAsync(nested), StringComparison.Ordinal);
        Assert.Contains("packed with LZ4", await RefusalAsync(packed), StringComparison.Ordinal);
        Assert.Contains("too short", await RefusalAsync("PAR1"u8.ToArray()), StringComparison.Ordinal);
        Assert.Contains("does not end as one", await RefusalAsync("name,age\nAda,36\n"u8.ToArray()), StringComparison.Ordinal);
        Assert.Contains("does not end as one", await RefusalAsync(whole[..^5]), StringComparison.Ordinal);
        Assert.Contains("footer has 4294967295 bytes", await RefusalAsync(absurd), StringComparison.Ordinal);
        // A number in the footer that never ends, as the library that we do not use reads for ever.
        Assert.Contains("it ends within", await RefusalAsync([.. "PAR1"u8, 0x15, 0x80, 0x80, 3, 0, 0, 0, .. "PAR1"u8]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(CompressionMethod.None)]
    [InlineData(CompressionMethod.Snappy)]
    [InlineData(CompressionMethod.Zstd)]
    public async Task A_damaged_file_ends_its_job_and_nothing_else(CompressionMethod method)
    {
        const int Damages = 1_500;
        var rows = Enumerable.Range(0, 40).Select(i => new Listed { Number = i, Word = i % 3 == 0 ? null : "w" + (i % 4), Parts = [i, null, i] }).ToList();
        var whole = await FileAsync(rows, new ParquetOptions { CompressionMethod = method, RowGroupSize = 20 });
        var random = new Random(11);
        var refused = 0;
        for (var i = 0; i < Damages; i++)
        {
            var damaged = whole.ToArray();
            for (var changes = random.Next(1, 4); changes > 0; changes--)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            }

            try
            {
                await using var reader = await OpenAsync(random.Next(10) == 0 ? [.. damaged[..random.Next(damaged.Length)], .. damaged[^8..]] : damaged, null);
                for (var pieces = 0; pieces < 1_000 && await reader.NextAsync(Cancellation) is not null; pieces++)
                {
                }
            }
            catch (InputUnreadableException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 100, Damages);
    }

    [Fact]
    public void Texts_that_share_beginnings_and_split_numbers_are_put_together()
    {
        var text = new ParquetColumn("x", ["x"], ParquetStorage.ByteArray, ParquetMeaning.Text, 0, 0, false, false, 0, 0, false);
        var number = text with { Storage = ParquetStorage.Int32, Meaning = ParquetMeaning.Plain, Width = 4 };
        // Block of 128 in 4 parts, 2 numbers, the first, the smallest step, no bits for any step.
        byte[] lengths = [0x80, 1, 4, 2, 10, 0, 0, 0, 0, 0, .. "HelloWorld"u8];
        byte[] prefixes = [0x80, 1, 4, 2, 0, 6, 0, 0, 0, 0, 0x80, 1, 4, 2, 10, 5, 0, 0, 0, 0, .. "Helloxy"u8];

        Assert.Equal(["Hello", "World"], Texts(PageValues.Of(text, PageEncoding.DeltaLengths, lengths, 0, null), 2));
        Assert.Equal(["Hello", "Helxy"], Texts(PageValues.Of(text, PageEncoding.DeltaBytes, prefixes, 0, null), 2));
        var split = PageValues.Of(number, PageEncoding.SplitBytes, [1, 2, 0, 1, 0, 0, 0, 0], 0, null);
        Assert.Equal((1, 258), (BinaryPrimitives.ReadInt32LittleEndian(split.Next()), BinaryPrimitives.ReadInt32LittleEndian(split.Next())));
        Assert.Throws<ParquetFaultException>(() => { split.Next(); });
    }

    private static List<string> Texts(PageValues values, int count) => [.. Enumerable.Range(0, count).Select(_ => Encoding.UTF8.GetString(values.Next()))];

    private static Task<ParquetReader> OpenAsync(byte[] file, string? mark, Func<ImmutableArray<ParquetColumn>, ParquetRow>? rowOf = null) =>
        ParquetReader.OpenAsync(new MemoryStream(file), mark, BytesMax, HeldMax, rowOf ?? (_ => ParquetRow.ForFunction()), Cancellation);

    private static async Task<string> RefusalAsync(byte[] file) => (await Assert.ThrowsAsync<InputUnreadableException>(() => OpenAsync(file, null))).Message;

    private static async Task<byte[]> FileAsync<T>(IEnumerable<T> rows, ParquetOptions? options = null)
    {
        var file = new MemoryStream();
        await ParquetSerializer.SerializeAsync(rows, file, options, cancellationToken: Cancellation);
        return file.ToArray();
    }

    private sealed class Everything
    {
        public int Small { get; set; }

        public long Large { get; set; }

        public double Real { get; set; }

        public float Single { get; set; }

        public bool Yes { get; set; }

        public string? Text { get; set; }

        public byte[]? Bytes { get; set; }

        [ParquetDecimal(12, 2)]
        public decimal Price { get; set; }

        public DateOnly Day { get; set; }

        [ParquetTimestamp]
        public DateTime Moment { get; set; }

        public Guid Id { get; set; }

        public List<int>? Numbers { get; set; }

        public List<string>? Words { get; set; }

        public int? Maybe { get; set; }
    }

    private sealed class Listed
    {
        public int Number { get; set; }

        public string? Word { get; set; }

        public List<int?>? Parts { get; set; }
    }

    private sealed class PartsOnly
    {
        public List<int?>? Parts { get; set; }
    }

    private sealed class Nested
    {
        public Listed? Inner { get; set; }
    }
}
