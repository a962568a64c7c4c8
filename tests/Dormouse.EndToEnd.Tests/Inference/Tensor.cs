using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Dormouse.EndToEnd.Tests.Inference;

/// <summary>A tensor of a test case: the protocol's datatype name, a shape, and either little-endian bytes or texts.</summary>
internal sealed record Tensor(string Name, string Datatype, long[] Shape, byte[] Raw, string[]? Texts = null)
{
    /// <summary>Bytes of an element; BYTES has none of its own.</summary>
    public static int Size(string datatype) => datatype switch
    {
        "BOOL" or "UINT8" or "INT8" => 1,
        "UINT16" or "INT16" or "FP16" or "BF16" => 2,
        "UINT32" or "INT32" or "FP32" => 4,
        "UINT64" or "INT64" or "FP64" => 8,
        _ => 0,
    };

    public long Count => Shape.Aggregate(1L, (a, b) => a * b);

    /// <summary>JSON has no halves; the protocol wants them in binary.</summary>
    public bool FitsJson => Datatype is not ("FP16" or "BF16") && (Texts is not null || Doubles().All(double.IsFinite));

    /// <summary>The binary form on the wire.</summary>
    public byte[] Wire => Texts is null
        ? Raw
        : [.. Texts.SelectMany(t => BitConverter.GetBytes(Encoding.UTF8.GetByteCount(t)).Concat(Encoding.UTF8.GetBytes(t)))];

    /// <summary>The input's member of a request; written as text because a picture has half a million numbers.</summary>
    public string Json(bool binary) =>
        $$"""{"name":{{JsonSerializer.Serialize(Name)}},"shape":[{{string.Join(',', Shape)}}],"datatype":"{{Datatype}}",{{(binary ? $"\"parameters\":{{\"binary_data_size\":{Wire.Length}}}" : $"\"data\":[{Data()}]")}}}""";

    /// <summary>Elements as numbers, also of halves.</summary>
    public double[] Doubles()
    {
        var values = new double[Raw.Length / Size(Datatype)];
        for (var i = 0; i < values.Length; i++)
        {
            var at = Raw.AsSpan(i * Size(Datatype));
            values[i] = Datatype switch
            {
                "BOOL" or "UINT8" => at[0],
                "INT8" => (sbyte)at[0],
                "UINT16" => MemoryMarshal.Read<ushort>(at),
                "INT16" => MemoryMarshal.Read<short>(at),
                "FP16" => (double)MemoryMarshal.Read<Half>(at),
                "BF16" => BitConverter.UInt32BitsToSingle((uint)MemoryMarshal.Read<ushort>(at) << 16),
                "UINT32" => MemoryMarshal.Read<uint>(at),
                "INT32" => MemoryMarshal.Read<int>(at),
                "FP32" => MemoryMarshal.Read<float>(at),
                "UINT64" => MemoryMarshal.Read<ulong>(at),
                "INT64" => MemoryMarshal.Read<long>(at),
                _ => MemoryMarshal.Read<double>(at),
            };
        }

        return values;
    }

    /// <summary>From numbers of a case file.</summary>
    public static Tensor FromNumbers(string name, string datatype, long[] shape, IEnumerable<JsonElement> numbers)
    {
        var raw = new MemoryStream();
        foreach (var number in numbers)
        {
            raw.Write(Element(datatype, number));
        }

        return new Tensor(name, datatype, shape, raw.ToArray());
    }

    public static byte[] Element(string datatype, double value) => datatype switch
    {
        "FP32" => BitConverter.GetBytes((float)value),
        "FP64" => BitConverter.GetBytes(value),
        _ => throw new ArgumentOutOfRangeException(nameof(datatype), datatype, "Only floating types are scaled."),
    };

    private static byte[] Element(string datatype, JsonElement number) => datatype switch
    {
        "BOOL" => [number.ValueKind is JsonValueKind.True || (number.ValueKind is JsonValueKind.Number && number.GetInt32() != 0) ? (byte)1 : (byte)0],
        "UINT8" => [number.GetByte()],
        "INT8" => [(byte)number.GetSByte()],
        "UINT16" => BitConverter.GetBytes(number.GetUInt16()),
        "INT16" => BitConverter.GetBytes(number.GetInt16()),
        "UINT32" => BitConverter.GetBytes(number.GetUInt32()),
        "INT32" => BitConverter.GetBytes(number.GetInt32()),
        "UINT64" => BitConverter.GetBytes(number.GetUInt64()),
        "INT64" => BitConverter.GetBytes(number.GetInt64()),
        "FP16" => BitConverter.GetBytes((Half)number.GetDouble()),
        _ => Element(datatype, number.GetDouble()),
    };

    private string Data()
    {
        if (Texts is not null)
        {
            return string.Join(',', Texts.Select(t => JsonSerializer.Serialize(t)));
        }

        return Datatype switch
        {
            "BOOL" => string.Join(',', Raw.Select(b => b != 0 ? "true" : "false")),
            "UINT64" => string.Join(',', MemoryMarshal.Cast<byte, ulong>(Raw).ToArray()),
            "INT64" => string.Join(',', MemoryMarshal.Cast<byte, long>(Raw).ToArray()),
            "FP32" => string.Join(',', MemoryMarshal.Cast<byte, float>(Raw).ToArray().Select(v => v.ToString("R", CultureInfo.InvariantCulture))),
            _ => string.Join(',', Doubles().Select(v => v.ToString("R", CultureInfo.InvariantCulture))),
        };
    }
}
