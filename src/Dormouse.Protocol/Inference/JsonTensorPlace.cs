namespace Dormouse.Protocol.Inference;

/// <summary>Which input's JSON data is being read, and the words for everything that can be wrong with it.</summary>
internal readonly struct JsonTensorPlace(InputDraft draft, string modelName)
{
    public InputDraft Draft => draft;

    public InferenceException TooFew() => Invalid($"shape {Excerpt.Shape(draft.Shape)} needs {draft.Count} elements, 'data' holds fewer");

    public InferenceException TooMany(ReadOnlySpan<byte> json, int position) => position >= json.Length
        ? Unclosed()
        : Invalid($"shape {Excerpt.Shape(draft.Shape)} needs {draft.Count} elements, 'data' goes on with {Excerpt.Token(json, position)} at byte {position}");

    public InferenceException NoArray(ReadOnlySpan<byte> json, int position) => position >= json.Length
        ? Unclosed()
        : Invalid($"'data' must be an array of {Elements}, it is {Excerpt.Value(json, position)} (byte {position})");

    /// <summary>A bracket or comma of an outer array is not where the shape wants it.</summary>
    public InferenceException BadNesting(ReadOnlySpan<byte> json, int position, int depth) => position >= json.Length
        ? Unclosed()
        : Invalid($"'data' must be flat or nested to shape {Excerpt.Shape(draft.Shape)}, but has {Excerpt.Token(json, position)} at byte {position}, "
            + $"in dimension {depth} of {draft.Shape.Length} (counted from 0)");

    public InferenceException BadElement(ReadOnlySpan<byte> json, int position, long index)
    {
        if (position >= json.Length) return Unclosed();
        if (json[position] == '[') return BadNesting(json, position, Math.Max(0, draft.Shape.Length - 1));
        return Invalid($"element {index} of 'data' is {Given(json, position)} at byte {position}; {draft.Datatype.Name()} takes {Expected}");
    }

    private string Elements => draft.Datatype switch
    {
        Datatype.Bytes => "strings",
        Datatype.Bool => "true and false",
        _ => "numbers",
    };

    /// <summary>A string that a text tensor did not take is one that cannot be decoded.</summary>
    private string Given(ReadOnlySpan<byte> json, int position) => draft.Datatype == Datatype.Bytes && json[position] == '"'
        ? "a string with an escape that is no character"
        : Excerpt.Value(json, position);

    private string Expected => draft.Datatype switch
    {
        Datatype.Bool => "true or false (or 0 or 1)",
        Datatype.Uint8 => Whole(byte.MinValue, byte.MaxValue),
        Datatype.Uint16 => Whole(ushort.MinValue, ushort.MaxValue),
        Datatype.Uint32 => Whole(uint.MinValue, uint.MaxValue),
        Datatype.Uint64 => Whole(ulong.MinValue, ulong.MaxValue),
        Datatype.Int8 => Whole(sbyte.MinValue, sbyte.MaxValue),
        Datatype.Int16 => Whole(short.MinValue, short.MaxValue),
        Datatype.Int32 => Whole(int.MinValue, int.MaxValue),
        Datatype.Int64 => Whole(long.MinValue, long.MaxValue),
        Datatype.Bytes => "a JSON string",
        _ => "a finite JSON number in its range",
    };

    private static string Whole<T>(T from, T to) => $"a whole number from {from} to {to}, written without fraction or exponent";

    private InferenceException Unclosed() => Invalid("the JSON ends inside 'data'");

    private InferenceException Invalid(string what) => InputRoster.Invalid($"input '{draft.Name}' for model '{modelName}': {what}");
}
