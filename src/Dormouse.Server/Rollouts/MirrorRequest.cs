using Dormouse.Protocol;
using Dormouse.Server.Gateway;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Dormouse.Server.Rollouts;

/// <summary>A request as its copy needs it, but for the body.</summary>
internal sealed record MirrorRequest(HttpMethod Method, InstanceTarget Target, QueryString Query, IReadOnlyList<KeyValuePair<string, string>> Headers)
{
    /// <summary>A gRPC inference, as the gateway posts it to an instance.</summary>
    public static readonly MirrorRequest Message = new(HttpMethod.Post, default, default, [KeyValuePair.Create(HeaderNames.ContentType, "application/x-protobuf")]);

    /// <summary>Taken before the answer: afterwards the web server uses the request's memory again.</summary>
    public static MirrorRequest Of(HttpRequest request, InstanceTarget target) => new(
        new HttpMethod(request.Method), target, request.QueryString,
        [.. request.Headers.Where(h => IsKept(h.Key, target)).Select(h => KeyValuePair.Create(h.Key, h.Value.ToString()))]);

    private static bool IsKept(string header, InstanceTarget target) => target.IsInference
        ? Is(header, HeaderNames.ContentType) || Is(header, HeaderNames.ContentEncoding) || Is(header, DormouseHeaders.InferenceHeaderContentLength)
        : !Is(header, HeaderNames.Authorization) && !Is(header, HeaderNames.Host) && !Is(header, HeaderNames.Connection) && !Is(header, HeaderNames.TransferEncoding)
            && !Is(header, HeaderNames.ContentLength) && !Is(header, HeaderNames.Expect) && !Is(header, HeaderNames.KeepAlive) && !Is(header, HeaderNames.TE);

    private static bool Is(string header, string name) => header.Equals(name, StringComparison.OrdinalIgnoreCase);
}
