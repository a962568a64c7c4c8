using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Dormouse.Server.Gateway;

/// <summary>A request that is sent to an instance without its caller's connection: a mirrored copy, or a queued invocation.</summary>
/// <param name="Target">Path and query on the instance; null = the inference route.</param>
/// <param name="Headers">Those of which <see cref="Keeps"/> says so.</param>
internal sealed record StoredRequest(HttpMethod Method, string? Target, IReadOnlyList<KeyValuePair<string, string>> Headers)
{
    /// <summary>A gRPC inference, as the gateway posts it to an instance.</summary>
    public static readonly StoredRequest Message = new(HttpMethod.Post, null, [KeyValuePair.Create(HeaderNames.ContentType, "application/x-protobuf")]);

    private const string Destination = "http://instance";

    /// <summary>What of a request an instance gets, taken down before the web server uses the request's memory again.</summary>
    public static StoredRequest Of(HttpRequest request, InstanceTarget target) => new(
        new HttpMethod(request.Method),
        target.Path is { } path ? path.ToUriComponent() + request.QueryString.ToUriComponent() : null,
        request.Headers.Where(h => Keeps(h.Key, target)).Select(h => KeyValuePair.Create(h.Key, h.Value.ToString())).ToImmutableArray());

    /// <param name="bodyBytes">Length of <paramref name="body"/>; an empty one is sent with POST only.</param>
    public HttpRequestMessage Compose(Invocation invocation, long bodyBytes, HttpContent body)
    {
        var message = new HttpRequestMessage(Method, new Uri(Destination + (Target ?? "/infer")))
        {
            Version = System.Net.HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = bodyBytes == 0 && Method != HttpMethod.Post ? null : body,
        };
        foreach (var (name, value) in Headers)
        {
            if (!message.Headers.TryAddWithoutValidation(name, value))
            {
                message.Content?.Headers.TryAddWithoutValidation(name, value);
            }
        }

        message.Headers.TryAddWithoutValidation(DormouseHeaders.ModelName, invocation.Endpoint.Name);
        message.Headers.TryAddWithoutValidation(DormouseHeaders.ModelVersion, invocation.Revision.Id.Number.ToString(CultureInfo.InvariantCulture));
        return message;
    }

    /// <summary>Never the caller's key, nor what belongs to the caller's connection.</summary>
    public static bool Keeps(string header, InstanceTarget target) => target.IsInference
        ? Is(header, HeaderNames.ContentType) || Is(header, HeaderNames.ContentEncoding) || Is(header, DormouseHeaders.InferenceHeaderContentLength)
        : !InstanceHeaders.IsOwn(header) && !Is(header, HeaderNames.Host) && !Is(header, HeaderNames.Connection) && !Is(header, HeaderNames.TransferEncoding)
            && !Is(header, HeaderNames.ContentLength) && !Is(header, HeaderNames.Expect) && !Is(header, HeaderNames.KeepAlive) && !Is(header, HeaderNames.TE);

    private static bool Is(string header, string name) => header.Equals(name, StringComparison.OrdinalIgnoreCase);
}
