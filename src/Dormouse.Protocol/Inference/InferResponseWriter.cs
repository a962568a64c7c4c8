using System.Buffers;
using System.Runtime.InteropServices;

namespace Dormouse.Protocol.Inference;

/// <summary>Writes the REST answer: JSON, followed by the binary tensors when an output is binary.</summary>
public static class InferResponseWriter
{
    /// <returns>Length of the JSON part when a binary part follows (<c>Inference-Header-Content-Length</c>, content type
    /// <c>application/octet-stream</c>); null when all is JSON.</returns>
    /// <exception cref="InferenceException"><c>output_not_json</c>: an output cannot be JSON; nothing was written.</exception>
    public static int? Write(InferResponse response, IBufferWriter<byte> destination)
    {
        var anyBinary = false;
        foreach (var output in response.Outputs)
        {
            anyBinary |= output.Binary;
            if (!output.Binary) JsonOutputCheck.EnsureWritable(output);
        }

        var length = WriteJson(response, destination);
        if (!anyBinary) return null;
        foreach (var output in response.Outputs)
        {
            if (output.Binary) WriteBinary(output, destination);
        }

        return length;
    }

    private static int WriteJson(InferResponse response, IBufferWriter<byte> destination)
    {
        var json = new JsonText(destination);
        json.Raw("{\"model_name\":"u8);
        json.String(response.ModelName);
        json.Raw(",\"model_version\":"u8);
        json.String(response.ModelVersion);
        if (response.Id is { } id)
        {
            json.Raw(",\"id\":"u8);
            json.String(id);
        }

        if (response.Parameters is { Count: > 0 } parameters)
        {
            json.Raw(",\"parameters\":"u8);
            WriteParameters(ref json, parameters);
        }

        json.Raw(",\"outputs\":["u8);
        for (var i = 0; i < response.Outputs.Count; i++)
        {
            if (i > 0) json.Raw(","u8);
            WriteOutput(ref json, response.Outputs[i]);
        }

        json.Raw("]}"u8);
        json.Flush();
        return json.Length;
    }

    private static void WriteOutput(ref JsonText json, OutputTensor output)
    {
        json.Raw("{\"name\":"u8);
        json.String(output.Name);
        json.Raw(",\"shape\":["u8);
        WriteNumbers<long>(ref json, output.Shape);
        json.Raw("],\"datatype\":\""u8);
        json.Raw(System.Text.Encoding.ASCII.GetBytes(output.Datatype.Name()));
        if (output.Binary)
        {
            json.Raw("\",\"parameters\":{\"binary_data_size\":"u8);
            json.Number(output.Strings?.BinaryLength ?? output.Data.Length);
            json.Raw("}}"u8);
            return;
        }

        json.Raw("\",\"data\":["u8);
        WriteData(ref json, output);
        json.Raw("]}"u8);
    }

    /// <summary>Flat, row-major, whatever the shape.</summary>
    private static void WriteData(ref JsonText json, OutputTensor output)
    {
        var data = output.Data.Span;
        switch (output.Datatype)
        {
            case Datatype.Bool: WriteFlags(ref json, data); break;
            case Datatype.Uint8: WriteNumbers(ref json, data); break;
            case Datatype.Uint16: WriteNumbers(ref json, MemoryMarshal.Cast<byte, ushort>(data)); break;
            case Datatype.Uint32: WriteNumbers(ref json, MemoryMarshal.Cast<byte, uint>(data)); break;
            case Datatype.Uint64: WriteNumbers(ref json, MemoryMarshal.Cast<byte, ulong>(data)); break;
            case Datatype.Int8: WriteNumbers(ref json, MemoryMarshal.Cast<byte, sbyte>(data)); break;
            case Datatype.Int16: WriteNumbers(ref json, MemoryMarshal.Cast<byte, short>(data)); break;
            case Datatype.Int32: WriteNumbers(ref json, MemoryMarshal.Cast<byte, int>(data)); break;
            case Datatype.Int64: WriteNumbers(ref json, MemoryMarshal.Cast<byte, long>(data)); break;
            case Datatype.Fp32: WriteNumbers(ref json, MemoryMarshal.Cast<byte, float>(data)); break;
            case Datatype.Fp64: WriteNumbers(ref json, MemoryMarshal.Cast<byte, double>(data)); break;
            case Datatype.Bytes: WriteStrings(ref json, output.Strings ?? TensorBytes.Empty); break;
            default: throw new ArgumentOutOfRangeException(nameof(output), output.Datatype, "Only binary outputs may have this datatype.");
        }
    }

    private static void WriteNumbers<T>(ref JsonText json, ReadOnlySpan<T> values)
        where T : IUtf8SpanFormattable
    {
        for (var i = 0; i < values.Length; i++)
        {
            if (i > 0) json.Raw(","u8);
            json.Number(values[i]);
        }
    }

    private static void WriteFlags(ref JsonText json, ReadOnlySpan<byte> values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            if (i > 0) json.Raw(","u8);
            json.Raw(values[i] != 0 ? "true"u8 : "false"u8);
        }
    }

    private static void WriteStrings(ref JsonText json, TensorBytes strings)
    {
        for (var i = 0; i < strings.Count; i++)
        {
            if (i > 0) json.Raw(","u8);
            json.String(strings[i]);
        }
    }

    private static void WriteParameters(ref JsonText json, IReadOnlyDictionary<string, ParameterValue> parameters)
    {
        var separator = "{"u8;
        foreach (var (name, value) in parameters)
        {
            json.Raw(separator);
            separator = ","u8;
            json.String(name);
            json.Raw(":"u8);
            switch (value)
            {
                case ParameterValue.Text text: json.String(text.Value); break;
                case ParameterValue.Flag flag: json.Raw(flag.Value ? "true"u8 : "false"u8); break;
                case ParameterValue.Integer integer: json.Number(integer.Value); break;
                case ParameterValue.Unsigned unsigned: json.Number(unsigned.Value); break;
                case ParameterValue.Number number when double.IsFinite(number.Value): json.Number(number.Value); break;
                default: json.Raw("null"u8); break; // NaN and infinity: JSON has no other word for them.
            }
        }

        json.Raw("}"u8);
    }

    private static void WriteBinary(OutputTensor output, IBufferWriter<byte> destination)
    {
        if (output.Strings is not { } strings)
        {
            destination.Write(output.Data.Span);
            return;
        }

        var length = strings.BinaryLength;
        if (length > 0) destination.Advance(strings.WriteBinary(destination.GetSpan(length)));
    }
}
