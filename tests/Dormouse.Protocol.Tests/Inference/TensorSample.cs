using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Dormouse.Protocol.Inference;

namespace Dormouse.Protocol.Tests.Inference;

/// <summary>A random tensor in its binary form, and how it is written in JSON.</summary>
internal sealed class TensorSample
{
    private static readonly string[] Texts = ["", "a", "dormouse", "zero\0byte", "\"quoted\\\"", "line\n\ttab", "Siebenschläfer", "鼠", "🐭", "\u007f\u2028/"];

    private TensorSample(Datatype datatype, long[] shape, byte[] binary, string[] elements)
    {
        Datatype = datatype;
        Shape = shape;
        Binary = binary;
        Elements = elements;
    }

    public Datatype Datatype { get; }

    public long[] Shape { get; }

    /// <summary>Row-major little-endian, BYTES with lengths.</summary>
    public byte[] Binary { get; }

    /// <summary>Each element as JSON; empty for FP16 and BF16.</summary>
    public string[] Elements { get; }

    public string ShapeText => Excerpt.Shape(Shape);

    public TensorInfo Info => new("x", Datatype.Name(), [.. Shape.Select(_ => -1L)]);

    public static TensorSample Draw(Random random, Datatype datatype)
    {
        var shape = new long[random.Next(0, 4)];
        for (var i = 0; i < shape.Length; i++) shape[i] = random.Next(20) == 0 ? 0 : random.Next(1, 5);
        var count = (int)shape.Aggregate(1L, (product, d) => product * d);
        var binary = new MemoryStream();
        var elements = new string[datatype.IsBinaryOnly() ? 0 : count];
        for (var i = 0; i < count; i++)
        {
            var (bytes, json) = DrawElement(random, datatype);
            binary.Write(bytes);
            if (elements.Length > 0) elements[i] = json;
        }

        return new TensorSample(datatype, shape, binary.ToArray(), elements);
    }

    /// <summary>One flat array, with a random amount of white space.</summary>
    public string Flat(Random random) => Shape.Length == 0 && random.Next(2) == 0 ? Elements[0] : Join(random, Elements);

    /// <summary>Arrays in arrays as the shape says.</summary>
    public string Nested(Random random)
    {
        if (Shape.Length == 0) return Elements[0];
        return Level(random, 0, 0);
    }

    private string Level(Random random, int depth, long first)
    {
        var stride = Shape.Skip(depth + 1).Aggregate(1L, (product, d) => product * d);
        var items = new string[Shape[depth]];
        for (var i = 0; i < items.Length; i++)
            items[i] = depth == Shape.Length - 1 ? Elements[first + i] : Level(random, depth + 1, first + (i * stride));
        return Join(random, items);
    }

    private static string Join(Random random, string[] items) =>
        $"[{Space(random)}{string.Join($"{Space(random)},{Space(random)}", items)}{Space(random)}]";

    private static string Space(Random random) => random.Next(4) switch { 0 => " ", 1 when random.Next(4) == 0 => "\r\n\t ", _ => "" };

    private static (byte[] Bytes, string Json) DrawElement(Random random, Datatype datatype)
    {
        var bits = new byte[8];
        random.NextBytes(bits);
        if (random.Next(4) == 0) bits = random.Next(3) switch { 0 => new byte[8], 1 => [255, 255, 255, 255, 255, 255, 255, 255], _ => [255, 255, 255, 255, 255, 255, 255, 127] };
        if (random.Next(8) == 0) bits = [.. bits[..3], 128, .. bits[4..7], 128];
        switch (datatype)
        {
            case Datatype.Bool:
                return ([(byte)(bits[0] & 1)], ((bits[0] & 1, random.Next(3)) switch { (0, 0) => "0", (0, _) => "false", (1, 0) => "1", _ => "true" }));
            case Datatype.Uint8: return (bits[..1], Text(bits[0]));
            case Datatype.Uint16: return (bits[..2], Text(BitConverter.ToUInt16(bits)));
            case Datatype.Uint32: return (bits[..4], Text(BitConverter.ToUInt32(bits)));
            case Datatype.Uint64: return (bits[..8], Text(BitConverter.ToUInt64(bits)));
            case Datatype.Int8: return (bits[..1], Text((sbyte)bits[0]));
            case Datatype.Int16: return (bits[..2], Text(BitConverter.ToInt16(bits)));
            case Datatype.Int32: return (bits[..4], Text(BitConverter.ToInt32(bits)));
            case Datatype.Int64: return (bits[..8], Text(BitConverter.ToInt64(bits)));
            case Datatype.Fp16 or Datatype.Bf16: return (bits[..2], "");
            case Datatype.Fp32:
                var single = BitConverter.ToSingle(bits);
                if (!float.IsFinite(single)) single = random.Next(-1000, 1000);

                // As .NET writes it, as Python writes float32.tolist(), or with more digits than anybody needs.
                return (BitConverter.GetBytes(single), random.Next(3) switch { 0 => Text(single), 1 => Text((double)single), _ => ((double)single).ToString("E40", CultureInfo.InvariantCulture) });
            case Datatype.Fp64:
                var number = BitConverter.ToDouble(bits);
                if (!double.IsFinite(number)) number = random.Next(-1000, 1000) / 8.0;
                return (BitConverter.GetBytes(number), random.Next(3) == 0 ? number.ToString("E30", CultureInfo.InvariantCulture) : Text(number));
            default:
                var text = Texts[random.Next(Texts.Length)];
                var utf8 = Encoding.UTF8.GetBytes(text);
                var length = new byte[4];
                BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
                var escaped = random.Next(2) == 0
                    ? JsonSerializer.Serialize(text)
                    : '"' + JsonEncodedText.Encode(text, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString() + '"';
                return ([.. length, .. utf8], escaped);
        }
    }

    private static string Text<T>(T value)
        where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
