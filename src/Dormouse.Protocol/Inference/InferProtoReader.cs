using System.Buffers;

namespace Dormouse.Protocol.Inference;

/// <summary>Reads the bytes of a gRPC <c>inference.ModelInferRequest</c>; field numbers are those of <c>Protos/inference.proto</c>.</summary>
public static class InferProtoReader
{
    /// <param name="body">The message; copied from, so it may be reused after the call.</param>
    /// <inheritdoc cref="InferRequestReader.Read"/>
    public static InferRequest Read(ReadOnlyMemory<byte> body, ModelInterface model, string modelName)
    {
        var request = new InferRequest();
        try
        {
            ReadMessage(body, new InputRoster(model, modelName), request);
            return request;
        }
        catch
        {
            request.Dispose();
            throw;
        }
    }

    private static void ReadMessage(ReadOnlyMemory<byte> body, InputRoster roster, InferRequest request)
    {
        var inputs = new List<Range>();
        var raw = new List<Range>();
        var parameters = new Dictionary<string, ParameterValue>(StringComparer.Ordinal);
        var reader = new ProtoReader(body.Span);
        while (reader.Next())
        {
            if (reader.Type != WireType.Bytes) continue;
            switch (reader.Field)
            {
                case 3:
                    // proto3 cannot tell an empty id from none.
                    request.Id = reader.Text() is { Length: > 0 } id ? id : null;
                    break;
                case 4: ProtoParameters.AddEntry(reader.Bytes, "the request", parameters); break;
                case 5: AddBounded(inputs, PlaceOf(reader.Bytes, body.Span), "inputs", roster); break;
                case 6: request.Outputs.Add(ReadOutput(reader.Bytes, roster)); break;
                case 7: AddBounded(raw, PlaceOf(reader.Bytes, body.Span), "raw_input_contents", roster); break;
            }
        }

        request.Parameters = parameters;
        request.BinaryOutputDefault = true;
        ReadInputs(body.Span, inputs, raw, roster, request);
        roster.EnsureComplete();
    }

    private static void ReadInputs(ReadOnlySpan<byte> body, List<Range> inputs, List<Range> raw, InputRoster roster, InferRequest request)
    {
        if (raw.Count > 0 && raw.Count != inputs.Count)
        {
            throw InputRoster.Invalid($"expected {inputs.Count} raw_input_contents, one for each input in order, but got {raw.Count} "
                + $"for model '{roster.ModelName}'");
        }

        for (var i = 0; i < inputs.Count; i++)
        {
            var input = ReadInput(body[inputs[i]], roster);
            if (raw.Count > 0)
            {
                if (input.HasContents)
                    throw InputRoster.Invalid($"contents field must not be specified when using raw_input_contents for '{input.Draft.Name}' for model '{roster.ModelName}'");
                request.Inputs.Add(BinaryTensors.Read(body[raw[i]], input.Draft, roster, request));
            }
            else
            {
                request.Inputs.Add(ProtoContents.Read(input.Contents, input.Draft, roster, request));
            }
        }
    }

    private static ProtoInput ReadInput(ReadOnlySpan<byte> message, InputRoster roster)
    {
        string name = "", datatype = "";
        var shape = new List<long>(4);
        ReadOnlySpan<byte> contents = default;
        var hasContents = false;
        ArrayBufferWriter<byte>? merged = null;
        var parameters = new Dictionary<string, ParameterValue>(StringComparer.Ordinal);
        var reader = new ProtoReader(message);
        while (reader.Next())
        {
            if (reader.Is(1, WireType.Bytes)) name = reader.Text();
            else if (reader.Is(2, WireType.Bytes)) datatype = reader.Text();
            else if (reader.Is(3, WireType.Varint)) AddDimension(shape, reader.Number, name);
            else if (reader.Is(3, WireType.Bytes))
            {
                for (var position = 0; position < reader.Bytes.Length;) AddDimension(shape, ProtoReader.Varint(reader.Bytes, ref position), name);
            }
            else if (reader.Is(4, WireType.Bytes)) ProtoParameters.AddEntry(reader.Bytes, "an input", parameters);
            else if (reader.Is(5, WireType.Bytes))
            {
                // A message field that comes again is to be merged: for repeated fields, one after the other is the same.
                if (hasContents && merged is null)
                {
                    merged = new ArrayBufferWriter<byte>();
                    merged.Write(contents);
                }

                merged?.Write(reader.Bytes);
                contents = reader.Bytes;
                hasContents = true;
            }
        }

        if (name.Length == 0) throw InputRoster.Invalid($"an input has no name (request for model '{roster.ModelName}')");
        var draft = roster.Admit(name, roster.ParseDatatype(name, datatype), [.. shape]);
        return new ProtoInput(draft, merged is null ? contents : merged.WrittenSpan, hasContents);
    }

    private static RequestedOutput ReadOutput(ReadOnlySpan<byte> message, InputRoster roster)
    {
        var name = "";
        var parameters = new Dictionary<string, ParameterValue>(StringComparer.Ordinal);
        var reader = new ProtoReader(message);
        while (reader.Next())
        {
            if (reader.Is(1, WireType.Bytes)) name = reader.Text();
            else if (reader.Is(2, WireType.Bytes)) ProtoParameters.AddEntry(reader.Bytes, "an output", parameters);
        }

        roster.AdmitOutput(name);
        return KnownParameters.ToOutput(name, parameters);
    }

    private static void AddDimension(List<long> shape, ulong value, string name)
    {
        if (shape.Count == InputRoster.RankMax) throw InputRoster.Invalid($"the shape of input {Excerpt.Name(name)} has more than {InputRoster.RankMax} dimensions");
        shape.Add((long)value);
    }

    /// <summary>Keeps a message of millions of empty entries from growing a list of as many.</summary>
    private static void AddBounded(List<Range> places, Range place, string field, InputRoster roster)
    {
        // One too many is kept, so that the check of the inputs can name it.
        if (places.Count > roster.Model.Inputs.Length)
            throw InputRoster.Invalid($"model '{roster.ModelName}' has {roster.Model.Inputs.Length} inputs; the request has more {field}");
        places.Add(place);
    }

    private static Range PlaceOf(ReadOnlySpan<byte> part, ReadOnlySpan<byte> body)
    {
        if (part.IsEmpty) return 0..0;
        body.Overlaps(part, out var offset);
        return offset..(offset + part.Length);
    }

    private readonly ref struct ProtoInput(InputDraft draft, ReadOnlySpan<byte> contents, bool hasContents)
    {
        public InputDraft Draft { get; } = draft;

        public ReadOnlySpan<byte> Contents { get; } = contents;

        public bool HasContents { get; } = hasContents;
    }
}
