using System.Net.Http.Headers;
using Dormouse.Protocol;
using Dormouse.Server.Gateway;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Yarp.ReverseProxy.Forwarder;

namespace Dormouse.Server.Overflow;

/// <summary>
/// What is changed between caller and overflow address. On the way there: the address, never the caller's key, the servers it came through, what is left of
/// the caller's deadline. On the way back: an answer that says that nothing ran is taken off, any other is the caller's.
/// </summary>
internal sealed class OverflowTransform(OverflowRun run, InstanceTarget target, RequestBody body) : HttpTransformer
{
    /// <summary>Status of the address's answer; 0 before.</summary>
    public int Status { get; private set; }

    /// <summary>It said that nothing ran.</summary>
    public bool IsNotTaken { get; private set; }

    /// <summary>The answer is there and cannot be accounted for.</summary>
    public bool IsUnaccounted { get; private set; }

    public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        if (target.IsInference)
        {
            Copy(httpContext.Request, proxyRequest.Headers, HeaderNames.Accept);
            Copy(httpContext.Request, proxyRequest.Headers, HeaderNames.AcceptEncoding);
            Copy(httpContext.Request, proxyRequest.Headers, DormouseHeaders.InferenceHeaderContentLength);
            Copy(httpContext.Request, proxyRequest.Headers, DormouseHeaders.Priority);
            if (proxyRequest.Content is { } inference)
            {
                Copy(httpContext.Request, inference.Headers, HeaderNames.ContentType);
                Copy(httpContext.Request, inference.Headers, HeaderNames.ContentEncoding);
            }
        }
        else
        {
            await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
            proxyRequest.Headers.Host = null;
            foreach (var own in (string[])[HeaderNames.Authorization, DormouseHeaders.Deadline, DormouseHeaders.RequestTimeout, DormouseHeaders.Hops])
            {
                proxyRequest.Headers.Remove(own);
            }
        }

        proxyRequest.RequestUri = OverflowAddress.Of(run.Policy, run.Invocation.Endpoint, target, httpContext.Request.QueryString);
        OverflowMessage.Sign(proxyRequest.Headers, run);
        if (proxyRequest.Content is { } content)
        {
            content.Headers.ContentLength = body.KnownBytes;
        }
    }

    public override async ValueTask<bool> TransformResponseAsync(HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        if (proxyResponse is null)
        {
            return false;
        }

        Status = (int)proxyResponse.StatusCode;
        if (OverflowMessage.IsNotTaken(Status, target.IsInference, run))
        {
            IsNotTaken = true;
            return false;
        }

        if (!run.TryOpen())
        {
            IsUnaccounted = true;
            return false;
        }

        await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        var headers = httpContext.Response.Headers;
        headers[DormouseHeaders.InvocationId] = run.Invocation.Id.ToString();
        headers[DormouseHeaders.Overflow] = run.Policy.Host;
        AnswerHeaders.Set(headers, run.Invocation, null);
        var length = proxyResponse.Content.Headers.ContentLength;
        if (length == 0)
        {
            run.Close(Status, isWhole: true);
            return true;
        }

        var answer = await proxyResponse.Content.ReadAsStreamAsync(cancellationToken);
        proxyResponse.Content = new StreamContent(new AnswerWatchStream(answer, length, run.Deadline, () => run.Close(Status, isWhole: true)));
        return true;
    }

    private static void Copy(HttpRequest request, HttpHeaders to, string name)
    {
        var value = request.Headers[name];
        if (value.Count > 0)
        {
            to.TryAddWithoutValidation(name, value.ToString());
        }
    }
}
