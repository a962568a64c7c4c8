using System.Buffers.Binary;

namespace Dormouse.Protocol.Inference;

/// <summary>Reads tensors in their binary form: row-major, little-endian, no padding; BYTES elements with a u32 length each.</summary>
internal static class BinaryTensors
{
    /// <summary>Gives every input its tensor, in the order of the document, from the bytes behind the JSON.</summary>
    public static void ReadAll(ReadOnlySpan<byte> rest, List<PendingInput> inputs, InputRoster roster, InferRequest request)
    {
        foreach (var input in inputs)
        {
            if (input.Tensor is { } tensor)
            {
                request.Inputs.Add(tensor);
                continue;
            }

            var size = input.BinarySize.GetValueOrDefault();
            if (size > rest.Length)
                throw InputRoster.Invalid($"unexpected size for input '{input.Draft.Name}', expecting {size - rest.Length} additional bytes for model '{roster.ModelName}'");
            request.Inputs.Add(Read(rest[..(int)size], input.Draft, roster, request));
            rest = rest[(int)size..];
        }

        if (!rest.IsEmpty)
            throw InputRoster.Invalid($"unexpected additional input data for model '{roster.ModelName}': {rest.Length} bytes are left after the last input");
    }

    /// <summary>One tensor from exactly its own bytes. They are copied: the engine wants them aligned and longer than the body lives.</summary>
    public static InputTensor Read(ReadOnlySpan<byte> content, InputDraft draft, InputRoster roster, InferRequest request)
    {
        if (draft.Datatype == Datatype.Bytes) return draft.WithStrings(ReadStrings(content, draft, roster));
        if (draft.ByteLength != (UInt128)(uint)content.Length)
        {
            throw InputRoster.Invalid($"unexpected total byte size {content.Length} for input '{draft.Name}' for model '{roster.ModelName}', "
                + $"expecting {draft.ByteLength} ({draft.Datatype.Name()} {Excerpt.Shape(draft.Shape)})");
        }

        if (draft.Datatype == Datatype.Bool && content.IndexOfAnyExceptInRange((byte)0, (byte)1) is var place and >= 0)
            throw InputRoster.Invalid($"element {place} of input '{draft.Name}' for model '{roster.ModelName}' is {content[place]}; a BOOL is 0 or 1");

        var data = request.Rent(content.Length);
        content.CopyTo(data.Span);
        return draft.WithData(data);
    }

    private static TensorBytes ReadStrings(ReadOnlySpan<byte> content, InputDraft draft, InputRoster roster)
    {
        // Four bytes of length each: a shape that promises more is refused before anything of its size is allocated.
        if (draft.Count > content.Length / 4) throw WrongCount(draft, roster, "fewer");
        var count = (int)draft.Count;
        var offsets = new int[count + 1];
        var buffer = new byte[content.Length - (4 * count)];
        for (var i = 0; i < count; i++)
        {
            if (content.Length < 4) throw WrongCount(draft, roster, "fewer");
            var length = BinaryPrimitives.ReadUInt32LittleEndian(content);
            content = content[4..];

            // What is left must also hold the lengths of the elements that follow, else the element would not fit the buffer.
            if (length > content.Length || length > buffer.Length - offsets[i])
            {
                throw InputRoster.Invalid($"incomplete string data for inference input '{draft.Name}' for model '{roster.ModelName}': "
                    + $"element {i} has a length of {length} bytes, {content.Length} are left for it and {count - 1 - i} more elements");
            }

            content[..(int)length].CopyTo(buffer.AsSpan(offsets[i]));
            offsets[i + 1] = offsets[i] + (int)length;
            content = content[(int)length..];
        }

        if (!content.IsEmpty) throw WrongCount(draft, roster, "more");
        return new TensorBytes(buffer, offsets);
    }

    private static InferenceException WrongCount(InputDraft draft, InputRoster roster, string given) => InputRoster.Invalid(
        $"input '{draft.Name}' for model '{roster.ModelName}': shape {Excerpt.Shape(draft.Shape)} needs {draft.Count} BYTES elements, the binary data holds {given}");
}
