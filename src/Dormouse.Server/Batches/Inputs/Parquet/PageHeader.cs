namespace Dormouse.Server.Batches.Inputs.Parquet;

internal enum PageKind
{
    Data = 0,
    Index = 1,
    Dictionary = 2,
    DataV2 = 3,
}

/// <summary>How values are written; the numbers are the format's.</summary>
internal enum PageEncoding
{
    Plain = 0,
    PlainDictionary = 2,
    Rle = 3,
    DeltaNumbers = 5,
    DeltaLengths = 6,
    DeltaBytes = 7,
    RleDictionary = 8,
    SplitBytes = 9,
}

/// <summary>What stands before each page.</summary>
internal sealed record PageHeader
{
    public PageKind Kind { get; private set; }

    /// <summary>Bytes of the page in the file, behind the header.</summary>
    public int Stored { get; private set; } = -1;

    /// <summary>Bytes of the page when it is unpacked.</summary>
    public int Unpacked { get; private set; } = -1;

    /// <summary>Values and nulls.</summary>
    public int Values { get; private set; } = -1;

    public PageEncoding Encoding { get; private set; }

    public PageEncoding DefinitionEncoding { get; private set; } = PageEncoding.Rle;

    public PageEncoding RepetitionEncoding { get; private set; } = PageEncoding.Rle;

    /// <summary>Of the second kind of data pages, where they are not packed.</summary>
    public int DefinitionBytes { get; private set; }

    public int RepetitionBytes { get; private set; }

    public bool IsPacked { get; private set; } = true;

    public static PageHeader Read(ref CompactReader reader)
    {
        var page = new PageHeader();
        for (var id = 0; reader.NextField(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    page.Kind = (PageKind)reader.Int32();
                    break;
                case 2:
                    page.Unpacked = reader.Int32();
                    break;
                case 3:
                    page.Stored = reader.Int32();
                    break;
                case 5 or 7 when kind == CompactKind.Struct:
                    page.ReadFirst(ref reader);
                    break;
                case 8 when kind == CompactKind.Struct:
                    page.ReadSecond(ref reader);
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        var isWhole = page is { Stored: >= 0, Unpacked: >= 0, DefinitionBytes: >= 0, RepetitionBytes: >= 0 } && (page.Kind == PageKind.Index || page.Values >= 0)
            && (long)page.DefinitionBytes + page.RepetitionBytes <= Math.Min(page.Stored, page.Unpacked);
        return isWhole ? page : throw new ParquetFaultException("a page's header says what cannot be");
    }

    /// <summary>Of a dictionary or a data page of the first kind.</summary>
    private void ReadFirst(ref CompactReader reader)
    {
        for (var id = 0; reader.NextField(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    Values = reader.Int32();
                    break;
                case 2:
                    Encoding = (PageEncoding)reader.Int32();
                    break;
                case 3 when kind == CompactKind.Int32:
                    DefinitionEncoding = (PageEncoding)reader.Int32();
                    break;
                case 4 when kind == CompactKind.Int32:
                    RepetitionEncoding = (PageEncoding)reader.Int32();
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }
    }

    private void ReadSecond(ref CompactReader reader)
    {
        for (var id = 0; reader.NextField(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    Values = reader.Int32();
                    break;
                case 4:
                    Encoding = (PageEncoding)reader.Int32();
                    break;
                case 5:
                    DefinitionBytes = reader.Int32();
                    break;
                case 6:
                    RepetitionBytes = reader.Int32();
                    break;
                case 7:
                    IsPacked = kind == CompactKind.True;
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }
    }
}
