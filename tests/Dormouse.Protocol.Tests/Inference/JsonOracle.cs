using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Dormouse.Protocol.Inference;

namespace Dormouse.Protocol.Tests.Inference;

/// <summary>
/// The simple version of the JSON request reader, for models with one input 'x': <see cref="JsonDocument"/> parses, numbers go through
/// <see cref="BigInteger"/> and the framework's own parsers. What it refuses must be refused; what it reads must be read alike.
/// </summary>
internal static class JsonOracle
{
    /// <returns>The tensor in its binary form, or null when the request is to be refused.</returns>
    public static byte[]? Read(ReadOnlyMemory<byte> json, TensorInfo input)
    {
        if (!Utf8.IsValid(json.Span)) return null;
        try
        {
            using var document = JsonDocument.Parse(json);
            return ReadRequest(document.RootElement, input);
        }
        catch (JsonException)
        {
            return null;
        }
        catch (InvalidOperationException)
        {
            // A text with an escape that is no character, or a member of the wrong kind.
            return null;
        }
    }

    private static byte[]? ReadRequest(JsonElement root, TensorInfo input)
    {
        if (Members(root, "inputs", "outputs", "id", "parameters") is not { } members) return null;
        if (!ParametersFit(members[3]) || !(members[2] is not { } id || id.ValueKind is JsonValueKind.Null || id.GetString() is not null)) return null;
        if (members[1] is { } outputs && outputs.ValueKind is not JsonValueKind.Null && !(outputs.ValueKind is JsonValueKind.Array && outputs.GetArrayLength() == 0)) return null;
        if (members[0] is not { } inputs || inputs.GetArrayLength() != 1) return null;
        if (Members(inputs[0], "name", "datatype", "shape", "data", "parameters") is not { } parts) return null;
        if (parts[0] is not { } name || parts[1] is not { } datatype || parts[2] is not { } shape || parts[3] is not { } data) return null;
        if (!ParametersFit(parts[4])) return null;
        if (name.GetString() != input.Name || datatype.GetString() != input.Datatype || !Datatypes.TryParse(input.Datatype, out var type)) return null;

        var dimensions = new List<long>();
        foreach (var dimension in shape.EnumerateArray())
        {
            if (dimension.ValueKind != JsonValueKind.Number || !dimension.TryGetInt64(out var length) || length < 0) return null;
            dimensions.Add(length);
        }

        if (input.Shape.Length > 0 && (input.Shape.Length != dimensions.Count || input.Shape.Zip(dimensions).Any(d => d.First >= 0 && d.First != d.Second))) return null;
        if (dimensions.Count > 32) return null;
        if (dimensions.Where(d => d > 0).Aggregate(BigInteger.One, (product, d) => product * d) > long.MaxValue) return null;
        var target = new MemoryStream();
        return ReadData(data, type, [.. dimensions], target) ? target.ToArray() : null;
    }

    private static bool ReadData(JsonElement data, Datatype type, long[] shape, MemoryStream target)
    {
        if (shape.Length == 0 && data.ValueKind != JsonValueKind.Array) return Element(data, type, target);
        if (data.ValueKind != JsonValueKind.Array) return false;
        var nested = shape.Length > 1 && data.GetArrayLength() > 0 && data[0].ValueKind == JsonValueKind.Array;
        return nested ? Level(data, type, shape, target) : Level(data, type, [shape.Aggregate(1L, (product, d) => product * d)], target);
    }

    private static bool Level(JsonElement array, Datatype type, ReadOnlySpan<long> shape, MemoryStream target)
    {
        if (array.ValueKind != JsonValueKind.Array || array.GetArrayLength() != shape[0]) return false;
        foreach (var item in array.EnumerateArray())
        {
            if (!(shape.Length > 1 ? Level(item, type, shape[1..], target) : Element(item, type, target))) return false;
        }

        return true;
    }

    private static bool Element(JsonElement value, Datatype type, MemoryStream target) => type switch
    {
        Datatype.Bool => Bool(value, target),
        Datatype.Uint8 => Integer<byte>(value, target),
        Datatype.Uint16 => Integer<ushort>(value, target),
        Datatype.Uint32 => Integer<uint>(value, target),
        Datatype.Uint64 => Integer<ulong>(value, target),
        Datatype.Int8 => Integer<sbyte>(value, target),
        Datatype.Int16 => Integer<short>(value, target),
        Datatype.Int32 => Integer<int>(value, target),
        Datatype.Int64 => Integer<long>(value, target),
        Datatype.Fp32 => value.ValueKind == JsonValueKind.Number && float.Parse(value.GetRawText(), NumberStyles.Float, CultureInfo.InvariantCulture) is var single
            && float.IsFinite(single) && Write(target, BitConverter.GetBytes(single)),
        Datatype.Fp64 => value.ValueKind == JsonValueKind.Number && double.Parse(value.GetRawText(), NumberStyles.Float, CultureInfo.InvariantCulture) is var number
            && double.IsFinite(number) && Write(target, BitConverter.GetBytes(number)),
        Datatype.Bytes => value.ValueKind == JsonValueKind.String && Text(value.GetString()!, target),
        _ => false,
    };

    private static bool Bool(JsonElement value, MemoryStream target) => value.ValueKind switch
    {
        JsonValueKind.True => Write(target, [1]),
        JsonValueKind.False => Write(target, [0]),
        JsonValueKind.Number => value.GetRawText() is "0" or "1" && Write(target, [(byte)(value.GetRawText()[0] - '0')]),
        _ => false,
    };

    private static bool Integer<T>(JsonElement value, MemoryStream target)
        where T : IBinaryInteger<T>, IMinMaxValue<T>
    {
        if (value.ValueKind != JsonValueKind.Number || value.GetRawText().AsSpan().IndexOfAny(".eE") >= 0) return false;
        var number = BigInteger.Parse(value.GetRawText(), CultureInfo.InvariantCulture);
        if (number < BigInteger.CreateChecked(T.MinValue) || number > BigInteger.CreateChecked(T.MaxValue)) return false;
        var bytes = new byte[T.MaxValue.GetByteCount()];
        T.CreateChecked(number).WriteLittleEndian(bytes);
        return Write(target, bytes);
    }

    private static bool Text(string text, MemoryStream target)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        return Write(target, length) && Write(target, bytes);
    }

    private static bool Write(MemoryStream target, ReadOnlySpan<byte> bytes)
    {
        target.Write(bytes);
        return true;
    }

    /// <summary>The known members of an object; null when it is no object or one comes twice.</summary>
    private static JsonElement?[]? Members(JsonElement value, params string[] names)
    {
        if (value.ValueKind != JsonValueKind.Object) return null;
        var members = new JsonElement?[names.Length];
        foreach (var property in value.EnumerateObject())
        {
            var place = Array.IndexOf(names, property.Name);
            if (place < 0) continue;
            if (members[place] is not null) return null;
            members[place] = property.Value;
        }

        return members;
    }

    private static bool ParametersFit(JsonElement? parameters)
    {
        if (parameters is not { } value || value.ValueKind == JsonValueKind.Null) return true;
        if (value.ValueKind != JsonValueKind.Object) return false;
        var seen = new HashSet<string>();
        foreach (var property in value.EnumerateObject())
        {
            if (!seen.Add(property.Name) || property.Name.StartsWith("triton_", StringComparison.Ordinal)) return false;
            if (property.Value.ValueKind == JsonValueKind.String) _ = property.Value.GetString();
            else if (property.Value.ValueKind == JsonValueKind.Number && !double.IsFinite(property.Value.GetDouble())) return false;
            else if (property.Value.ValueKind is JsonValueKind.Null or JsonValueKind.Array or JsonValueKind.Object) return false;
        }

        return true;
    }
}
