using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>A value on its way to JSON.</summary>
/// <param name="IsLiteral">The text is a number or a truth value as JSON writes it, not a text.</param>
internal readonly record struct CellText(string? Text, bool IsLiteral)
{
    private const long NanosecondsInDay = 86_400_000_000_000;

    private const long TicksInSecond = 10_000_000;

    /// <summary>1970-01-01 as a Julian day, in which old files count.</summary>
    private const long JulianEpoch = 2_440_588;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static CellText Null => new(null, false);

    /// <param name="fault">Why it cannot be said in JSON; empty when it can.</param>
    public static CellText Of(ParquetColumn column, ReadOnlySpan<byte> value, out string fault)
    {
        fault = "";
        switch (column.Meaning)
        {
            case ParquetMeaning.Text:
                return Characters(value, out fault);
            case ParquetMeaning.Decimal:
                return Literal(Decimal(Whole(column, value), column.Scale));
            case ParquetMeaning.Unsigned:
                return Literal((column.Width == sizeof(int) ? BinaryPrimitives.ReadUInt32LittleEndian(value) : BinaryPrimitives.ReadUInt64LittleEndian(value)).ToString(CultureInfo.InvariantCulture));
            case ParquetMeaning.Date:
                return Instant((long)BinaryPrimitives.ReadInt32LittleEndian(value) * 86_400, 0, "yyyy-MM-dd", out fault);
            case ParquetMeaning.Time:
                return Time(Signed(value), column.Scale, out fault);
            case ParquetMeaning.Timestamp:
                var count = Signed(value);
                var seconds = (long)Math.Floor((decimal)count / column.Scale);
                return Instant(seconds, (count - (seconds * column.Scale)) * (1_000_000_000 / column.Scale), Moment(column.IsUtc), out fault);
            case ParquetMeaning.Uuid:
                return new CellText(new Guid(value, bigEndian: true).ToString("D"), false);
            case ParquetMeaning.Half:
                return Real((double)BinaryPrimitives.ReadHalfLittleEndian(value), (float)BinaryPrimitives.ReadHalfLittleEndian(value));
            default:
                return Stored(column, value, out fault);
        }
    }

    private static CellText Stored(ParquetColumn column, ReadOnlySpan<byte> value, out string fault)
    {
        fault = "";
        switch (column.Storage)
        {
            case ParquetStorage.Boolean:
                return Literal(value[0] == 0 ? "false" : "true");
            case ParquetStorage.Int32 or ParquetStorage.Int64:
                return Literal(Signed(value).ToString(CultureInfo.InvariantCulture));
            case ParquetStorage.Float:
                return Real(BinaryPrimitives.ReadSingleLittleEndian(value), BinaryPrimitives.ReadSingleLittleEndian(value));
            case ParquetStorage.Double:
                return Real(BinaryPrimitives.ReadDoubleLittleEndian(value), null);
            case ParquetStorage.Int96:
                var days = BinaryPrimitives.ReadInt32LittleEndian(value[8..]) - JulianEpoch;
                var nanoseconds = BinaryPrimitives.ReadInt64LittleEndian(value);
                if (nanoseconds is < 0 or >= NanosecondsInDay)
                {
                    fault = "holds no time of a day";
                    return Null;
                }

                return Instant((days * 86_400) + (nanoseconds / 1_000_000_000), nanoseconds % 1_000_000_000, Moment(isUtc: true), out fault);
            default:
                return new CellText(Convert.ToBase64String(value), false);
        }
    }

    private static CellText Literal(string text) => new(text, true);

    /// <summary>What is no number in JSON is the text that CSV files have for it.</summary>
    private static CellText Real(double number, float? single) => double.IsFinite(number)
        ? Literal(single?.ToString("R", CultureInfo.InvariantCulture) ?? number.ToString("R", CultureInfo.InvariantCulture))
        : new CellText(double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity", false);

    private static CellText Characters(ReadOnlySpan<byte> value, out string fault)
    {
        try
        {
            fault = "";
            return new CellText(Utf8.GetString(value), false);
        }
        catch (DecoderFallbackException)
        {
            fault = "is not UTF-8 text";
            return Null;
        }
    }

    private static long Signed(ReadOnlySpan<byte> value) => value.Length == sizeof(int) ? BinaryPrimitives.ReadInt32LittleEndian(value) : BinaryPrimitives.ReadInt64LittleEndian(value);

    private static BigInteger Whole(ParquetColumn column, ReadOnlySpan<byte> value) => column.Storage is ParquetStorage.Int32 or ParquetStorage.Int64
        ? Signed(value)
        : new BigInteger(value.Length > 64 ? throw new ParquetFaultException($"column '{column.Name}' has a decimal number of {value.Length} bytes") : value, isBigEndian: true);

    private static string Decimal(BigInteger whole, int scale)
    {
        if (scale == 0)
        {
            return whole.ToString(CultureInfo.InvariantCulture);
        }

        var digits = BigInteger.Abs(whole).ToString(CultureInfo.InvariantCulture).PadLeft(scale + 1, '0');
        return $"{(whole.Sign < 0 ? "-" : "")}{digits[..^scale]}.{digits[^scale..]}";
    }

    private static string Moment(bool isUtc) => isUtc ? "yyyy-MM-ddTHH:mm:ss'Z'" : "yyyy-MM-ddTHH:mm:ss";

    private static CellText Instant(long seconds, long nanoseconds, string format, out string fault)
    {
        var days = DateTime.UnixEpoch.Ticks / TicksInSecond;
        if (seconds < -days || seconds > (DateTime.MaxValue.Ticks / TicksInSecond) - days)
        {
            fault = "lies outside the years 1 to 9999";
            return Null;
        }

        fault = "";
        var text = new DateTime((seconds + days) * TicksInSecond, DateTimeKind.Unspecified).ToString(format, CultureInfo.InvariantCulture);
        var fraction = Fraction(nanoseconds);
        return new CellText(text.EndsWith('Z') ? text[..^1] + fraction + "Z" : text + fraction, false);
    }

    private static CellText Time(long count, int scale, out string fault)
    {
        var nanoseconds = (decimal)count * (1_000_000_000 / scale);
        if (nanoseconds is < 0 or >= NanosecondsInDay)
        {
            fault = "holds no time of a day";
            return Null;
        }

        fault = "";
        var whole = (long)nanoseconds;
        return new CellText(new TimeSpan(whole / 1_000_000_000 * TicksInSecond).ToString(@"hh\:mm\:ss", CultureInfo.InvariantCulture) + Fraction(whole % 1_000_000_000), false);
    }

    private static string Fraction(long nanoseconds) => nanoseconds == 0 ? "" : "." + nanoseconds.ToString("D9", CultureInfo.InvariantCulture).TrimEnd('0');
}
