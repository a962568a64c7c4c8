using System.Buffers;
using System.Text.Json;
using Dormouse.Protocol;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Protocol.Signatures;
using Dormouse.Worker.Pictures;
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
        var name = context.Request.Headers[DormouseHeaders.ModelName].ToString();
        var version = context.Request.Headers[DormouseHeaders.ModelVersion].ToString();
        using var answer = await RunAsync(context, instance, signature, name, version);
        await Answers.WriteAsync(context, answer);
    }

    /// <summary>The picture is decoded as part of its run: no more of them at once than runs, and at the run's cost.</summary>
    private static async ValueTask<Answer> RunAsync(HttpContext context, Instance instance, SignatureRunner signature, string name, string version)
    {
        using var body = await RequestBody.ReadAsync(context.Request, instance.MemoryMib, context.RequestAborted);
        return await instance.RunAsync(
            () => signature.ToRequest(body.Written.Span, instance.Pictures),
            run =>
            {
                if (signature.AnswersLabels)
                {
                    return LabelsOf(signature.ToLabels(run.Outputs()[0]), instance.Backlog, run);
                }

                var response = new InferResponse { ModelName = name, ModelVersion = version };
                response.Outputs.AddRange(run.Outputs());
                return InferEndpoint.RestOf(response, instance.Backlog, run);
            },
            context.RequestAborted);
    }

    private static Answer LabelsOf(LabelsAnswer labels, AnswerBacklog backlog, ModelRun run)
    {
        var body = new PooledBuffer(0);
        body.Write(JsonSerializer.SerializeToUtf8Bytes(labels, SignatureAnswerJson.Default.LabelsAnswer));
        return new Answer(backlog, Answers.Json, body, run);
    }
}
