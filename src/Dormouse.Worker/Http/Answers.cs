using System.Globalization;
using System.Text.Json;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;
using Dormouse.Worker.Running;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Worker.Http;

/// <summary>Writes answers: always with a length, and with the run's times, which tell the gateway that the slot is free.</summary>
internal static class Answers
{
    internal const string Json = "application/json";

    /// <summary>Kestrel copies what it is given into its own blocks before the first byte leaves: no more than this of an answer is there twice.</summary>
    private const int PartBytes = 1 << 20;

    internal static async Task WriteAsync(HttpContext context, Answer answer)
    {
        if (answer.JsonLength is { } length)
        {
            context.Response.Headers[DormouseHeaders.InferenceHeaderContentLength] = length.ToString(CultureInfo.InvariantCulture);
        }

        if (answer.Batch is { } batch)
        {
            context.Response.Headers[DormouseHeaders.Batch] = string.Create(CultureInfo.InvariantCulture, $"{batch.Rows};{batch.WaitMicroseconds};{(batch.IsFirst ? 1 : 0)}");
        }

        await WriteAsync(context, StatusCodes.Status200OK, answer.ContentType, answer.Body, answer.Times);
    }

    internal static async Task WriteAsync(HttpContext context, int status, string contentType, ReadOnlyMemory<byte> body, RunTimes times)
    {
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = contentType;
        response.ContentLength = body.Length;
        response.Headers[DormouseHeaders.RunMicroseconds] = times.RunMicroseconds.ToString(CultureInfo.InvariantCulture);
        response.Headers[DormouseHeaders.CpuMicroseconds] = times.CpuMicroseconds.ToString(CultureInfo.InvariantCulture);
        while (body.Length > PartBytes)
        {
            await response.BodyWriter.WriteAsync(body[..PartBytes], context.RequestAborted);
            body = body[PartBytes..];
        }

        await response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }

    /// <summary>A problem document; on the inference protocol with its own status and <c>error</c> member.</summary>
    internal static Task WriteProblemAsync(HttpContext context, ProblemCode code, string detail, bool isInference, RunTimes times = default)
    {
        var document = ProblemDocument.Of(code, detail, isInference);
        var body = JsonSerializer.SerializeToUtf8Bytes(document, ProblemJson.Default.ProblemDocument);
        return WriteAsync(context, document.Status, ProblemDocument.ContentType(isInference), body, times);
    }
}
