using System.Text.Json;
using Dormouse.Protocol;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Protocol.Signatures;
using Dormouse.Worker.Running;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Worker.Http;

/// <summary><c>POST /</c>: a picture in, labels (or the model's outputs) out; only for a model with a signature.</summary>
internal static class PictureEndpoint
{
    internal static async Task HandleAsync(HttpContext context, Instance instance)
    {
        var signature = instance.Model.Signature
            ?? throw new InferenceException(ProblemCode.RouteNotFound, "This model has no signature, so it takes no picture. Send tensors to its inference address, or deploy it with a signature.");
        using var request = await ReadAsync(context, signature, instance.MemoryMib);
        using var run = await instance.RunAsync(request, context.RequestAborted);
        if (signature.AnswersLabels)
        {
            var labels = JsonSerializer.SerializeToUtf8Bytes(signature.ToLabels(run.Outputs[0]), SignatureAnswerJson.Default.LabelsAnswer);
            await Answers.WriteAsync(context, StatusCodes.Status200OK, Answers.Json, labels, run.Times);
            return;
        }

        var response = new InferResponse
        {
            ModelName = context.Request.Headers[DormouseHeaders.ModelName].ToString(),
            ModelVersion = context.Request.Headers[DormouseHeaders.ModelVersion].ToString(),
        };
        response.Outputs.AddRange(run.Outputs);
        using var body = new PooledBuffer(0);
        InferResponseWriter.Write(response, body);
        await Answers.WriteAsync(context, StatusCodes.Status200OK, Answers.Json, body.Written, run.Times);
    }

    private static async ValueTask<InferRequest> ReadAsync(HttpContext context, Pictures.SignatureRunner signature, int memoryMib)
    {
        using var body = await RequestBody.ReadAsync(context.Request, memoryMib, context.RequestAborted);
        return signature.ToRequest(body.Written.Span);
    }
}
