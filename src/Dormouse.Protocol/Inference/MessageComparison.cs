namespace Dormouse.Protocol.Inference;

/// <summary>Whether two <c>ModelInferResponse</c> messages say the same: tensors element by element, numbers within a tolerance, <c>model_version</c> and <c>id</c> apart.</summary>
internal static class MessageComparison
{
    private const int NameShown = 60;

    /// <summary>False when one of them is no such message.</summary>
    /// <param name="difference">Null when they say the same, else where they differ first.</param>
    public static bool TryCompare(ReadOnlyMemory<byte> one, ReadOnlyMemory<byte> other, double tolerance, out string? difference)
    {
        try
        {
            difference = Difference(Read(one.Span), Read(other.Span), tolerance);
            return true;
        }
        catch (InferenceException)
        {
            difference = null;
            return false;
        }
    }

    private static string? Difference(Message one, Message other, double tolerance)
    {
        if (one.ModelName != other.ModelName)
        {
            return $"model_name is '{Shown(one.ModelName)}' and '{Shown(other.ModelName)}'";
        }

        if (!one.Parameters.AsSpan().SequenceEqual(other.Parameters))
        {
            return "parameters differ";
        }

        if (one.Outputs.Count != other.Outputs.Count || one.Raw.Count != other.Raw.Count)
        {
            return $"outputs has {one.Outputs.Count} and {other.Outputs.Count} elements";
        }

        for (var i = 0; i < one.Outputs.Count; i++)
        {
            var (left, right) = (one.Outputs[i], other.Outputs[i]);
            if (left.Name != right.Name || left.Datatype != right.Datatype || left.Shape != right.Shape)
            {
                return $"outputs[{i}] is '{Shown(left.Name)}' {Shown(left.Datatype)} {Shown(left.Shape)} and '{Shown(right.Name)}' {Shown(right.Datatype)} {Shown(right.Shape)}";
            }

            var apart = AnswerComparison.Bytes(left.Rest, right.Rest)
                ?? (i < one.Raw.Count ? AnswerComparison.Elements(one.Raw[i], other.Raw[i], left.Datatype, tolerance) : null);
            if (apart is not null)
            {
                return $"output '{Shown(left.Name)}' {apart}";
            }
        }

        return null;
    }

    private static Message Read(ReadOnlySpan<byte> bytes)
    {
        var (name, parameters, outputs, raw) = ("", new List<byte>(), new List<Output>(), new List<byte[]>());
        var reader = new ProtoReader(bytes);
        while (reader.Next())
        {
            if (reader.Is(1, WireType.Bytes)) name = reader.Text();
            else if (reader.Is(4, WireType.Bytes)) parameters.AddRange(reader.Bytes);
            else if (reader.Is(5, WireType.Bytes)) outputs.Add(ReadOutput(reader.Bytes));
            else if (reader.Is(6, WireType.Bytes)) raw.Add(reader.Bytes.ToArray());
        }

        return new Message(name, [.. parameters], outputs, raw);
    }

    private static Output ReadOutput(ReadOnlySpan<byte> bytes)
    {
        var (name, datatype, shape, rest) = ("", "", new List<long>(), new List<byte>());
        var reader = new ProtoReader(bytes);
        while (reader.Next())
        {
            if (reader.Is(1, WireType.Bytes)) name = reader.Text();
            else if (reader.Is(2, WireType.Bytes)) datatype = reader.Text();
            else if (reader.Is(3, WireType.Varint)) shape.Add((long)reader.Number);
            else if (reader.Is(3, WireType.Bytes)) for (var position = 0; position < reader.Bytes.Length;) shape.Add((long)ProtoReader.Varint(reader.Bytes, ref position));
            else if (reader.Type == WireType.Bytes) rest.AddRange(reader.Bytes);
        }

        return new Output(name, datatype, $"[{string.Join(",", shape)}]", [.. rest]);
    }

    private static string Shown(string text) => text.Length <= NameShown ? text : text[..NameShown] + "…";

    /// <param name="Raw">Contents of the outputs, in their order; none when they are typed.</param>
    private sealed record Message(string ModelName, byte[] Parameters, List<Output> Outputs, List<byte[]> Raw);

    /// <param name="Rest">Parameters and typed contents, as they are.</param>
    private sealed record Output(string Name, string Datatype, string Shape, byte[] Rest);
}
