using System.Buffers;

namespace Dormouse.Protocol.Inference;

/// <summary>Writes the bytes of a gRPC <c>inference.ModelInferResponse</c>; outputs are always raw.</summary>
/// <remarks>Raw also where the request was typed: the common clients read typed numbers as empty arrays.</remarks>
public static class InferProtoWriter
{
    public static void Write(InferResponse response, IBufferWriter<byte> destination)
    {
        var writer = new ProtoWriter(destination);
        writer.Text(1, response.ModelName);
        writer.Text(2, response.ModelVersion);
        writer.Text(3, response.Id ?? "");
        if (response.Parameters is { } parameters)
        {
            foreach (var (name, value) in parameters) WriteParameter(writer, name, value);
        }

        foreach (var output in response.Outputs) WriteOutput(writer, output);
        foreach (var output in response.Outputs) WriteRaw(writer, output, destination);
    }

    private static void WriteOutput(ProtoWriter writer, OutputTensor output)
    {
        var datatype = output.Datatype.Name();
        var shapeLength = 0;
        foreach (var dimension in output.Shape) shapeLength += ProtoWriter.VarintLength((ulong)dimension);

        writer.Header(5, ProtoWriter.TextLength(output.Name) + ProtoWriter.TextLength(datatype) + (shapeLength == 0 ? 0 : ProtoWriter.FieldLength(shapeLength)));
        writer.Text(1, output.Name);
        writer.Text(2, datatype);
        if (shapeLength == 0) return;
        writer.Header(3, shapeLength);
        foreach (var dimension in output.Shape) writer.Varint((ulong)dimension);
    }

    private static void WriteRaw(ProtoWriter writer, OutputTensor output, IBufferWriter<byte> destination)
    {
        if (output.Strings is not { } strings)
        {
            writer.Header(6, output.Data.Length);
            writer.Bytes(output.Data.Span);
            return;
        }

        var length = strings.BinaryLength;
        writer.Header(6, length);
        if (length > 0) destination.Advance(strings.WriteBinary(destination.GetSpan(length)));
    }

    private static void WriteParameter(ProtoWriter writer, string name, ParameterValue value)
    {
        // The value's own message is at most a tag and ten bytes, but for texts.
        var buffer = new ArrayBufferWriter<byte>(16);
        WriteValue(new ProtoWriter(buffer), value);
        var content = buffer.WrittenSpan;
        writer.Header(4, ProtoWriter.TextLength(name) + ProtoWriter.FieldLength(content.Length));
        writer.Text(1, name);
        writer.Header(2, content.Length);
        writer.Bytes(content);
    }

    private static void WriteValue(ProtoWriter writer, ParameterValue value)
    {
        switch (value)
        {
            case ParameterValue.Flag flag:
                writer.Tag(1, WireType.Varint);
                writer.Varint(flag.Value ? 1UL : 0UL);
                break;
            case ParameterValue.Integer integer:
                writer.Tag(2, WireType.Varint);
                writer.Varint((ulong)integer.Value);
                break;
            case ParameterValue.Text text:
                // Inside a oneof an empty text is written: it says which member is set.
                writer.Header(3, System.Text.Encoding.UTF8.GetByteCount(text.Value));
                writer.Bytes(System.Text.Encoding.UTF8.GetBytes(text.Value));
                break;
            case ParameterValue.Number number:
                writer.Tag(4, WireType.Fixed64);
                writer.Bytes(BitConverter.GetBytes(number.Value));
                break;
            case ParameterValue.Unsigned unsigned:
                writer.Tag(5, WireType.Varint);
                writer.Varint(unsigned.Value);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(value), value, "No such kind of parameter.");
        }
    }
}
