using System.Text;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>One entry of the schema as the footer has it: a column, or a group with so many entries below it.</summary>
internal sealed record SchemaElement
{
    private const int Optional = 1;

    private const int Repeated = 2;

    public string Name { get; private init; } = "";

    public int? Storage { get; private init; }

    public int Width { get; private init; }

    public int Children { get; private init; }

    public bool IsOptional { get; private init; }

    public bool IsRepeated { get; private init; }

    public bool IsListGroup { get; private init; }

    public ParquetMeaning Meaning { get; private init; }

    public int Scale { get; private init; }

    public bool IsUtc { get; private init; }

    public static SchemaElement Read(ref CompactReader reader)
    {
        var element = new SchemaElement();
        var (old, annotated, scale) = (-1, (SchemaElement?)null, 0);
        for (var id = 0; reader.NextField(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    element = element with { Storage = reader.Int32() };
                    break;
                case 2:
                    element = element with { Width = reader.Int32() };
                    break;
                case 3:
                    var repetition = reader.Int32();
                    element = element with { IsOptional = repetition == Optional, IsRepeated = repetition == Repeated };
                    break;
                case 4:
                    element = element with { Name = Encoding.UTF8.GetString(reader.Binary()) };
                    break;
                case 5:
                    element = element with { Children = reader.Int32() };
                    break;
                case 6:
                    old = reader.Int32();
                    break;
                case 7:
                    scale = reader.Int32();
                    break;
                case 10 when kind == CompactKind.Struct:
                    annotated = ReadLogical(ref reader, element);
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        // The newer annotation says more, and stands behind what it is about.
        return annotated is null ? Converted(element, old, scale) : element with { IsListGroup = annotated.IsListGroup, Meaning = annotated.Meaning, Scale = annotated.Scale, IsUtc = annotated.IsUtc };
    }

    /// <summary>By the annotation of files from before 2019.</summary>
    private static SchemaElement Converted(SchemaElement element, int old, int scale) => old switch
    {
        0 or 4 or 19 => element with { Meaning = ParquetMeaning.Text },
        3 => element with { IsListGroup = true },
        5 => element with { Meaning = ParquetMeaning.Decimal, Scale = scale },
        6 => element with { Meaning = ParquetMeaning.Date },
        7 => element with { Meaning = ParquetMeaning.Time, Scale = 1_000 },
        8 => element with { Meaning = ParquetMeaning.Time, Scale = 1_000_000 },
        9 => element with { Meaning = ParquetMeaning.Timestamp, Scale = 1_000, IsUtc = true },
        10 => element with { Meaning = ParquetMeaning.Timestamp, Scale = 1_000_000, IsUtc = true },
        >= 11 and <= 14 => element with { Meaning = ParquetMeaning.Unsigned },
        _ => element,
    };

    private static SchemaElement ReadLogical(ref CompactReader reader, SchemaElement element)
    {
        for (var id = 0; reader.NextField(ref id, out var kind);)
        {
            if (kind != CompactKind.Struct)
            {
                reader.Skip(kind);
                continue;
            }

            var (scale, isTrue, unit) = ReadParameters(ref reader);
            element = id switch
            {
                1 or 4 or 12 => element with { Meaning = ParquetMeaning.Text },
                3 => element with { IsListGroup = true },
                5 => element with { Meaning = ParquetMeaning.Decimal, Scale = scale },
                6 => element with { Meaning = ParquetMeaning.Date },
                7 => element with { Meaning = ParquetMeaning.Time, Scale = unit },
                8 => element with { Meaning = ParquetMeaning.Timestamp, Scale = unit, IsUtc = isTrue[0] },
                10 => element with { Meaning = isTrue[1] ? ParquetMeaning.Plain : ParquetMeaning.Unsigned },
                14 => element with { Meaning = ParquetMeaning.Uuid },
                15 => element with { Meaning = ParquetMeaning.Half },
                _ => element,
            };
        }

        return element;
    }

    /// <summary>The two parameters that an annotation has: a number, truth values, a unit of time.</summary>
    private static (int Scale, bool[] IsTrue, int Unit) ReadParameters(ref CompactReader reader)
    {
        var (scale, unit) = (0, 0);
        bool[] isTrue = [false, false];
        for (var id = 0; reader.NextField(ref id, out var kind);)
        {
            switch (kind)
            {
                case CompactKind.True when id is 1 or 2:
                    isTrue[id - 1] = true;
                    break;
                case CompactKind.Int32 when id == 1:
                    scale = reader.Int32();
                    break;
                case CompactKind.Struct when id == 2:
                    for (var of = 0; reader.NextField(ref of, out var inner); reader.Skip(inner))
                    {
                        unit = of switch { 1 => 1_000, 2 => 1_000_000, _ => 1_000_000_000 };
                    }

                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        return (scale, isTrue, unit);
    }
}
