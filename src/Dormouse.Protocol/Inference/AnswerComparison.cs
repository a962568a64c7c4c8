using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Dormouse.Protocol.Inference;

/// <summary>An answer as it is compared.</summary>
/// <param name="ContentType">Null or empty = the answer says none.</param>
/// <param name="JsonLength">Of its JSON part when binary tensors follow (<c>Inference-Header-Content-Length</c>); null when it says none.</param>
public readonly record struct ComparedAnswer(string? ContentType, int? JsonLength, ReadOnlyMemory<byte> Body);

/// <summary>
/// Whether two answers to one request say the same. JSON is compared value by value and binary tensors element by element, numbers within a tolerance; the revision's
/// own <c>model_version</c> and <c>id</c>s apart; so are the protocol's binary messages. Any other body is compared byte by byte.
/// </summary>
public static class AnswerComparison
{
    private const int DepthMax = 32;

    /// <param name="tolerance">Numbers a and b are equal when |a − b| is at most this × max(1, |a|, |b|); NaN equals NaN.</param>
    /// <returns>Null when they say the same, else where they differ first, such as <c>outputs[0].data[3] is 1.5 and 1.7</c>.</returns>
    public static string? Difference(in ComparedAnswer one, in ComparedAnswer other, double tolerance)
    {
        if (one.Body.Span.SequenceEqual(other.Body.Span))
        {
            return null;
        }

        if (IsMessage(one) && IsMessage(other) && MessageComparison.TryCompare(one.Body, other.Body, tolerance, out var apart))
        {
            return apart;
        }

        if (!TryJson(one, out var left, out var leftTensors) || !TryJson(other, out var right, out var rightTensors))
        {
            return Bytes(one.Body.Span, other.Body.Span);
        }

        using (left)
        using (right)
        {
            return Values(left.RootElement, right.RootElement, "", tolerance, 0) ?? Tensors(left.RootElement, leftTensors.Span, rightTensors.Span, tolerance);
        }
    }

    private static bool IsMessage(in ComparedAnswer answer) => answer.ContentType?.StartsWith("application/x-protobuf", StringComparison.OrdinalIgnoreCase) is true;

    private static bool TryJson(in ComparedAnswer answer, out JsonDocument document, out ReadOnlyMemory<byte> tensors)
    {
        document = null!;
        tensors = default;
        var length = answer.JsonLength ?? answer.Body.Length;
        var isJson = answer.JsonLength is not null || (answer.ContentType ?? "").Contains("json", StringComparison.OrdinalIgnoreCase);
        if (!isJson || length < 0 || length > answer.Body.Length)
        {
            return false;
        }

        try
        {
            document = JsonDocument.Parse(answer.Body[..length], new JsonDocumentOptions { MaxDepth = DepthMax * 2 });
            tensors = answer.Body[length..];
            return true;
        }
        catch (JsonException)
        {
            // It is called JSON and is none: its bytes are compared.
            return false;
        }
    }

    private static string? Values(JsonElement one, JsonElement other, string at, double tolerance, int depth)
    {
        if (one.ValueKind != other.ValueKind || depth > DepthMax)
        {
            return $"{At(at)} is {Shown(one)} and {Shown(other)}";
        }

        switch (one.ValueKind)
        {
            case JsonValueKind.Object:
                return Objects(one, other, at, tolerance, depth);
            case JsonValueKind.Array:
                return Arrays(one, other, at, tolerance, depth);
            case JsonValueKind.Number:
                return one.GetRawText() == other.GetRawText() || AreClose(one.GetDouble(), other.GetDouble(), tolerance) ? null : $"{At(at)} is {Shown(one)} and {Shown(other)}";
            default:
                return one.GetRawText() == other.GetRawText() || (one.ValueKind == JsonValueKind.String && one.GetString() == other.GetString())
                    ? null
                    : $"{At(at)} is {Shown(one)} and {Shown(other)}";
        }
    }

    private static string? Objects(JsonElement one, JsonElement other, string at, double tolerance, int depth)
    {
        foreach (var member in one.EnumerateObject())
        {
            if (depth == 0 && member.Name is "model_version" or "id")
            {
                continue;
            }

            var place = at.Length == 0 ? member.Name : at + "." + member.Name;
            if (!other.TryGetProperty(member.Name, out var value))
            {
                return $"{At(place)} is in one only";
            }

            if (Values(member.Value, value, place, tolerance, depth + 1) is { } difference)
            {
                return difference;
            }
        }

        foreach (var member in other.EnumerateObject())
        {
            if (!(depth == 0 && member.Name is "model_version" or "id") && !one.TryGetProperty(member.Name, out _))
            {
                return $"{At(at.Length == 0 ? member.Name : at + "." + member.Name)} is in one only";
            }
        }

        return null;
    }

    private static string? Arrays(JsonElement one, JsonElement other, string at, double tolerance, int depth)
    {
        if (one.GetArrayLength() != other.GetArrayLength())
        {
            return $"{At(at)} has {one.GetArrayLength()} and {other.GetArrayLength()} elements";
        }

        var index = 0;
        using var others = other.EnumerateArray().GetEnumerator();
        foreach (var value in one.EnumerateArray())
        {
            others.MoveNext();
            // Numbers are most of an answer: their place is written out only where they differ.
            if (value.ValueKind != JsonValueKind.Number || others.Current.ValueKind != JsonValueKind.Number || !AreClose(value.GetDouble(), others.Current.GetDouble(), tolerance))
            {
                if (Values(value, others.Current, string.Create(CultureInfo.InvariantCulture, $"{at}[{index}]"), tolerance, depth + 1) is { } difference)
                {
                    return difference;
                }
            }

            index++;
        }

        return null;
    }

    /// <summary>The tensors behind the JSON, which has been found equal: both have the same outputs of the same sizes.</summary>
    private static string? Tensors(JsonElement answer, ReadOnlySpan<byte> one, ReadOnlySpan<byte> other, double tolerance)
    {
        if (answer.ValueKind != JsonValueKind.Object || !answer.TryGetProperty("outputs", out var outputs) || outputs.ValueKind != JsonValueKind.Array)
        {
            return Bytes(one, other);
        }

        foreach (var output in outputs.EnumerateArray())
        {
            if (output.ValueKind != JsonValueKind.Object || !output.TryGetProperty("parameters", out var parameters) || parameters.ValueKind != JsonValueKind.Object
                || !parameters.TryGetProperty("binary_data_size", out var declared) || !declared.TryGetInt32(out var size))
            {
                continue;
            }

            if (size < 0 || size > one.Length || size > other.Length)
            {
                return Bytes(one, other);
            }

            var type = output.TryGetProperty("datatype", out var datatype) ? datatype.GetString() : null;
            if (Elements(one[..size], other[..size], type, tolerance) is { } element)
            {
                var name = output.TryGetProperty("name", out var named) ? named.ToString() : "?";
                return $"output '{(name.Length <= 60 ? name : name[..60] + "…")}' {element}";
            }

            one = one[size..];
            other = other[size..];
        }

        return Bytes(one, other);
    }

    /// <summary>Where two tensors of one type differ first; null when they do not.</summary>
    internal static string? Elements(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other, string? type, double tolerance)
    {
        var width = type switch { "FP64" => 8, "FP32" => 4, "FP16" => 2, _ => 0 };
        if (width == 0 || one.Length % width != 0)
        {
            return Bytes(one, other);
        }

        for (var i = 0; i < one.Length; i += width)
        {
            var (a, b) = (Number(one.Slice(i, width)), Number(other.Slice(i, width)));
            if (!AreClose(a, b, tolerance))
            {
                return string.Create(CultureInfo.InvariantCulture, $"element {i / width} is {a} and {b}");
            }
        }

        return null;
    }

    private static double Number(ReadOnlySpan<byte> element) => element.Length switch
    {
        8 => BinaryPrimitives.ReadDoubleLittleEndian(element),
        4 => BinaryPrimitives.ReadSingleLittleEndian(element),
        _ => (double)BinaryPrimitives.ReadHalfLittleEndian(element),
    };

    private static bool AreClose(double one, double other, double tolerance) =>
        one.Equals(other) || Math.Abs(one - other) <= tolerance * Math.Max(1, Math.Max(Math.Abs(one), Math.Abs(other)));

    internal static string? Bytes(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        if (one.Length != other.Length)
        {
            return $"they have {one.Length} and {other.Length} bytes";
        }

        var same = one.CommonPrefixLength(other);
        return same == one.Length ? null : $"byte {same} is {one[same]} and {other[same]}";
    }

    private static string At(string place)
    {
        var text = place.Length == 0 ? "the answer" : place;
        return text.Length <= 120 ? text : text[..120] + "…";
    }

    private static string Shown(JsonElement value)
    {
        const int Most = 40;
        var text = new StringBuilder(value.GetRawText());
        return text.Length <= Most ? text.ToString() : text.ToString(0, Most) + "…";
    }
}
