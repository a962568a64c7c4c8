using Dormouse.Protocol.Problems;
using Dormouse.Server.Gateway;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Errors;

/// <summary>What Kestrel refuses about a request while its body is read, as rows of the catalogue.</summary>
internal static class BadRequests
{
    public static (ProblemCode Code, string Detail) Describe(BadHttpRequestException exception) => exception.StatusCode switch
    {
        StatusCodes.Status413PayloadTooLarge =>
            (ProblemCode.BodyTooLarge, "The request body is larger than this address takes. Send less, or let the operator raise server.body_limit."),
        StatusCodes.Status408RequestTimeout when exception is BodyTooSlowException => (ProblemCode.BodyTooSlow, exception.Message),
        StatusCodes.Status408RequestTimeout =>
            (ProblemCode.BodyTooSlow, "The request body came more slowly than 240 bytes a second. Send it again over a faster connection."),
        _ when exception.Message.Contains("Unexpected end of request content", StringComparison.Ordinal) =>
            (ProblemCode.BodyIncomplete, "The connection ended before the whole request body had come. Send it again."),
        _ => (ProblemCode.RequestInvalid, "The request is not valid HTTP: " + exception.Message),
    };
}
