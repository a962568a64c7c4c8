using System.Globalization;
using System.Text.Json;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Errors;

/// <summary>The one place that writes an error answer. On <c>/v2</c> the status and the body follow the inference protocol.</summary>
internal static class Problems
{
    /// <summary>Writes the problem; does nothing when the answer has begun (then the connection is aborted by the caller).</summary>
    public static async Task WriteAsync(HttpContext context, ProblemCode code, string detail, TimeSpan? retryAfter = null)
    {
        var response = context.Response;
        if (response.HasStarted)
        {
            return;
        }

        var invocation = response.Headers[DormouseHeaders.InvocationId].ToString();
        var (status, type, body) = Compose(code, detail, invocation.Length == 0 ? null : invocation, IsInferencePath(context.Request.Path));
        response.StatusCode = status;
        response.ContentType = type;
        response.ContentLength = null;
        if (retryAfter is { } wait && wait > TimeSpan.Zero)
        {
            response.Headers.RetryAfter = ((long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    /// <summary>The problem as an answer: status, content type and body.</summary>
    /// <param name="isInference">It was asked for by the inference protocol, which has a form of its own.</param>
    public static (int Status, string ContentType, byte[] Body) Compose(ProblemCode code, string detail, string? invocation, bool isInference)
    {
        var document = ProblemDocument.Of(code, detail, isInference) with { InvocationId = invocation };
        return (document.Status, ProblemDocument.ContentType(isInference), JsonSerializer.SerializeToUtf8Bytes(document, ProblemJson.Default.ProblemDocument));
    }

    /// <summary>True for <c>/v2/…</c> and <c>/t/{tenant}/v2/…</c>.</summary>
    public static bool IsInferencePath(PathString path)
    {
        var value = path.Value ?? "";
        if (value.StartsWith("/t/", StringComparison.Ordinal))
        {
            var next = value.IndexOf('/', 3);
            value = next < 0 ? "" : value[next..];
        }

        return value == "/v2" || value.StartsWith("/v2/", StringComparison.Ordinal);
    }
}
