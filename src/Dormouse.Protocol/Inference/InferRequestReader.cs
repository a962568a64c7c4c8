using System.Text.Unicode;
using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Inference;

/// <summary>Reads a REST inference request in each of its three forms: JSON, JSON followed by binary tensors, raw binary.</summary>
/// <remarks>
/// <see cref="JsonRequestParser"/> walks the document, <see cref="JsonTensorReader"/> reads <c>data</c>, <see cref="BinaryTensors"/> the
/// part behind the JSON, <see cref="RawBinaryRequest"/> a body that is nothing but a tensor, and <see cref="InputRoster"/> knows the model.
/// </remarks>
public static class InferRequestReader
{
    /// <param name="body">The whole body; copied from, so it may be reused after the call.</param>
    /// <param name="jsonLength">Value of <c>Inference-Header-Content-Length</c>; null when the header is absent; 0 = raw binary request.</param>
    /// <param name="model">What the model takes and gives.</param>
    /// <param name="modelName">For messages.</param>
    /// <returns>A request that fits the model; the caller disposes it.</returns>
    /// <exception cref="InferenceException">The request is malformed or does not fit; nothing stays rented.</exception>
    public static InferRequest Read(ReadOnlyMemory<byte> body, int? jsonLength, ModelInterface model, string modelName)
    {
        if (jsonLength is { } length && (length < 0 || length > body.Length))
        {
            throw new InferenceException(ProblemCode.RequestInvalid,
                $"{DormouseHeaders.InferenceHeaderContentLength} is {length}, but the body for model '{modelName}' has {body.Length} bytes");
        }

        var request = new InferRequest();
        try
        {
            if (jsonLength == 0) RawBinaryRequest.Read(body.Span, new InputRoster(model, modelName), request);
            else ReadDocument(body.Span, jsonLength, new InputRoster(model, modelName), request);
            return request;
        }
        catch
        {
            request.Dispose();
            throw;
        }
    }

    private static void ReadDocument(ReadOnlySpan<byte> body, int? jsonLength, InputRoster roster, InferRequest request)
    {
        var json = body[..(jsonLength ?? body.Length)];
        if (json.StartsWith("\uFEFF"u8))
            throw Malformed(roster, "starts with a byte order mark; send UTF-8 without one");

        // Once for the whole document: every later step may take its texts as they are.
        if (!Utf8.IsValid(json)) throw Malformed(roster, "is not valid UTF-8");

        var parser = new JsonRequestParser(json, jsonLength is not null, roster, request);
        parser.Parse();
        BinaryTensors.ReadAll(body[json.Length..], parser.Inputs, roster, request);
        roster.EnsureComplete();
    }

    private static InferenceException Malformed(InputRoster roster, string what) =>
        new(ProblemCode.RequestInvalid, $"the request JSON for model '{roster.ModelName}' {what}");
}
