using System.Runtime.CompilerServices;

namespace Dormouse.Protocol.Inference;

/// <summary>Takes the element at a position of JSON text.</summary>
internal interface IElementSink
{
    /// <summary>True moves the position behind the element; false leaves it at its start.</summary>
    bool TryTake(ReadOnlySpan<byte> json, ref int position);
}

/// <summary>Walks a JSON array of known shape, checks every bracket and comma, and hands each element to a sink.</summary>
internal static class JsonArrayWalker
{
    /// <returns>The position behind the array.</returns>
    /// <exception cref="InferenceException">The text is not an array that fits the shape, element by element.</exception>
    public static int Walk<TSink>(ReadOnlySpan<byte> json, int start, JsonTensorPlace place, ref TSink sink)
        where TSink : struct, IElementSink, allows ref struct
    {
        var shape = place.Draft.Shape;
        var position = SkipSpace(json, start);

        // The nested form of a scalar has no bracket at all.
        if (shape.Length == 0 && ByteAt(json, position) != '[')
        {
            var bare = position;
            if (!sink.TryTake(json, ref position) || ByteAt(json, position) is not ((byte)',' or (byte)'}' or <= (byte)' ')) throw place.BadElement(json, bare, 0);
            return position;
        }

        RequireArray(json, position, place);
        var inner = SkipSpace(json, position + 1);
        return shape.Length > 1 && ByteAt(json, inner) == '['
            ? WalkLevel(json, position, place, 0, 0, ref sink)
            : WalkRow(json, position, place, place.Draft.Count, 0, ref sink);
    }

    /// <summary>Refuses data that is no array.</summary>
    public static void RequireArray(ReadOnlySpan<byte> json, int start, JsonTensorPlace place)
    {
        var position = SkipSpace(json, start);
        if (ByteAt(json, position) != '[') throw place.NoArray(json, position);
    }

    /// <summary>An array of arrays; the depth is bounded by the rank.</summary>
    private static int WalkLevel<TSink>(ReadOnlySpan<byte> json, int position, JsonTensorPlace place, int depth, long first, ref TSink sink)
        where TSink : struct, IElementSink, allows ref struct
    {
        var shape = place.Draft.Shape;
        var length = shape[depth];
        if (depth == shape.Length - 1) return WalkRow(json, position, place, length, first, ref sink);
        if (ByteAt(json, position) != '[') throw place.BadNesting(json, position, depth);
        position = SkipSpace(json, position + 1);
        if (length == 0) return ByteAt(json, position) == ']' ? position + 1 : throw place.BadNesting(json, position, depth);

        var stride = 1L;
        for (var i = depth + 1; i < shape.Length; i++) stride *= shape[i];
        for (var i = 0L; i < length; i++)
        {
            position = SkipSpace(json, WalkLevel(json, position, place, depth + 1, first + (i * stride), ref sink));
            if (ByteAt(json, position) != (i + 1 < length ? ',' : ']')) throw place.BadNesting(json, position, depth);
            position = i + 1 < length ? SkipSpace(json, position + 1) : position + 1;
        }

        return position;
    }

    /// <summary>The innermost arrays: elements and commas. Nearly all the time of a large request is spent here.</summary>
    private static int WalkRow<TSink>(ReadOnlySpan<byte> json, int position, JsonTensorPlace place, long length, long first, ref TSink sink)
        where TSink : struct, IElementSink, allows ref struct
    {
        if (ByteAt(json, position) != '[') throw place.BadNesting(json, position, place.Draft.Shape.Length - 1);
        position++;
        if (length == 0)
        {
            position = SkipSpace(json, position);
            return ByteAt(json, position) == ']' ? position + 1 : throw place.TooMany(json, position);
        }

        for (var i = 0L; ; i++)
        {
            if ((uint)position < (uint)json.Length && json[position] <= ' ') position = SkipSpace(json, position);
            var start = position;
            if (!sink.TryTake(json, ref position)) throw place.BadElement(json, position, first + i);
            if ((uint)position < (uint)json.Length && json[position] <= ' ') position = SkipSpace(json, position);
            var separator = (uint)position < (uint)json.Length ? json[position] : (byte)0;
            if (i + 1 < length)
            {
                if (separator != ',') throw separator == ']' ? place.TooFew() : place.BadElement(json, start, first + i);
                position++;
                continue;
            }

            if (separator == ']') return position + 1;
            throw separator == ',' ? place.TooMany(json, position) : place.BadElement(json, start, first + i);
        }
    }

    /// <summary>The byte, or 0 behind the end: never a byte that JSON allows outside a string.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte ByteAt(ReadOnlySpan<byte> json, int position) => (uint)position < (uint)json.Length ? json[position] : (byte)0;

    private static int SkipSpace(ReadOnlySpan<byte> json, int position)
    {
        while ((uint)position < (uint)json.Length && json[position] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t') position++;
        return position;
    }
}
