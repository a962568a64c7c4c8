using System.Globalization;
using Dormouse.Protocol;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Worker.Running;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Worker.Http;

/// <summary><c>POST /infer</c>: an inference in any of the protocol's forms, answered in the same family (REST or protobuf).</summary>
internal static class InferEndpoint
{
    private const string Protobuf = "application/x-protobuf";
    private const string Octets = "application/octet-stream";

    internal static async Task HandleAsync(HttpContext context, Instance instance)
    {
        var isProtobuf = context.Request.ContentType?.StartsWith(Protobuf, StringComparison.OrdinalIgnoreCase) == true;
        var name = context.Request.Headers[DormouseHeaders.ModelName].ToString();
        var version = context.Request.Headers[DormouseHeaders.ModelVersion].ToString();
        using var request = await ReadAsync(context.Request, isProtobuf, instance, name, context.RequestAborted);
        using var answer = await instance.RunAsync(
            () => request,
            run =>
            {
                var response = new InferResponse { ModelName = name, ModelVersion = version, Id = request.Id };
                response.Outputs.AddRange(run.Outputs());
                return isProtobuf ? ProtobufOf(response, instance.Backlog, run) : RestOf(response, instance.Backlog, run);
            },
            context.RequestAborted);
        await Answers.WriteAsync(context, answer);
    }

    /// <summary>The answer as JSON, with binary tensors behind it where they are wanted.</summary>
    internal static Answer RestOf(InferResponse response, AnswerBacklog backlog, ModelRun run)
    {
        var body = new PooledBuffer(SizeHint(response.Outputs));
        try
        {
            var jsonLength = InferResponseWriter.Write(response, body);
            return new Answer(backlog, jsonLength is null ? Answers.Json : Octets, body, run) { JsonLength = jsonLength };
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    private static Answer ProtobufOf(InferResponse response, AnswerBacklog backlog, ModelRun run)
    {
        var body = new PooledBuffer(SizeHint(response.Outputs));
        try
        {
            InferProtoWriter.Write(response, body);
            return new Answer(backlog, Protobuf, body, run);
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    private static async ValueTask<InferRequest> ReadAsync(
        HttpRequest request, bool isProtobuf, Instance instance, string name, CancellationToken cancellationToken)
    {
        var jsonLength = JsonLength(request);
        using var body = await RequestBody.ReadAsync(request, instance.MemoryMib, cancellationToken);
        var model = instance.Model.Interface;
        return isProtobuf
            ? InferProtoReader.Read(body.Written, model, name)
            : InferRequestReader.Read(body.Written, jsonLength, model, name);
    }

    private static int? JsonLength(HttpRequest request)
    {
        if (!request.Headers.TryGetValue(DormouseHeaders.InferenceHeaderContentLength, out var text))
        {
            return null;
        }

        return int.TryParse(text.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            ? length
            : throw new InferenceException(ProblemCode.RequestInvalid, $"The header {DormouseHeaders.InferenceHeaderContentLength} is '{text}'; it must be the JSON part's length in bytes.");
    }

    // Binary outputs need their own length and a little JSON; numbers as JSON about twice that. Growing costs a copy, so guess high.
    private static int SizeHint(List<OutputTensor> outputs)
    {
        long bytes = 1024;
        foreach (var output in outputs)
        {
            bytes += 256 + ((output.Data.Length + (output.Strings?.BinaryLength ?? 0)) * (output.Binary ? 1L : 3L));
        }

        return (int)Math.Min(bytes, Array.MaxLength);
    }
}
