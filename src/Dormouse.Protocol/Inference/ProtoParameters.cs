namespace Dormouse.Protocol.Inference;

/// <summary>Entries of <c>map&lt;string, InferParameter&gt;</c>.</summary>
internal static class ProtoParameters
{
    /// <summary>Reads one map entry; the last of a key counts. An entry without a value is left out.</summary>
    public static void AddEntry(ReadOnlySpan<byte> entry, string owner, Dictionary<string, ParameterValue> parameters)
    {
        var name = "";
        ParameterValue? value = null;
        var reader = new ProtoReader(entry);
        while (reader.Next())
        {
            if (reader.Is(1, WireType.Bytes)) name = reader.Text();
            else if (reader.Is(2, WireType.Bytes)) value = Value(reader.Bytes) ?? value;
        }

        KnownParameters.CheckName(name, owner);
        if (value is not null) parameters[name] = value;
        else parameters.Remove(name);
    }

    private static ParameterValue? Value(ReadOnlySpan<byte> message)
    {
        ParameterValue? value = null;
        var reader = new ProtoReader(message);
        while (reader.Next())
        {
            value = (reader.Field, reader.Type) switch
            {
                (1, WireType.Varint) => new ParameterValue.Flag(reader.Number != 0),
                (2, WireType.Varint) => new ParameterValue.Integer((long)reader.Number),
                (3, WireType.Bytes) => new ParameterValue.Text(reader.Text()),
                (4, WireType.Fixed64) => new ParameterValue.Number(BitConverter.UInt64BitsToDouble(reader.Number)),
                (5, WireType.Varint) => reader.Number <= long.MaxValue ? new ParameterValue.Integer((long)reader.Number) : new ParameterValue.Unsigned(reader.Number),
                _ => value,
            };
        }

        return value;
    }
}
