using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Gateway;
using Grpc.Core;

namespace Dormouse.Server.Grpc;

/// <summary>The error catalogue as gRPC status codes; the catalogue's own code travels in a trailer.</summary>
internal static class GrpcProblems
{
    public const string CodeTrailer = "dormouse-code";
    public const string InvocationHeader = "dormouse-invocation-id";

    public static RpcException Exception(Problem problem, InvocationId? invocation = null)
    {
        var trailers = new Metadata { { CodeTrailer, problem.Code.Code } };
        if (invocation is { } id)
        {
            trailers.Add(InvocationHeader, id.ToString());
        }

        return new RpcException(new Status(StatusOf(problem.Code), problem.Detail), trailers, problem.Detail);
    }

    public static StatusCode StatusOf(ProblemCode code)
    {
        if (code == ProblemCode.MemoryExceeded || code == ProblemCode.BodyTooLarge || code == ProblemCode.StorageFull)
        {
            return StatusCode.ResourceExhausted;
        }

        return (code.StatusOnV2 ?? code.Status) switch
        {
            400 or 415 or 422 => StatusCode.InvalidArgument,
            401 => StatusCode.Unauthenticated,
            403 => StatusCode.PermissionDenied,
            404 => StatusCode.NotFound,
            409 => StatusCode.AlreadyExists,
            429 => StatusCode.ResourceExhausted,
            501 => StatusCode.Unimplemented,
            502 or 503 => StatusCode.Unavailable,
            408 or 504 => StatusCode.DeadlineExceeded,
            _ => StatusCode.Internal,
        };
    }

    /// <summary>A worker's problem document as a problem; codes that the catalogue lacks count as internal.</summary>
    public static Problem Of(ReadOnlySpan<byte> document, int status)
    {
        var parsed = InstanceProblem.Parse(document);
        var code = parsed?.Code is { } name && ProblemCode.All.TryGetValue(name, out var known) ? known : ProblemCode.Internal;
        return new Problem(code, parsed?.Detail ?? parsed?.Error ?? $"The instance answered with status {status} and no reason.");
    }
}
