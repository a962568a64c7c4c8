using System.Globalization;
using System.Net.Http.Headers;
using Dormouse.Core.Usage;
using Dormouse.Protocol;
using Dormouse.Server.Rollouts;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Yarp.ReverseProxy.Forwarder;

namespace Dormouse.Server.Gateway;

/// <summary>
/// What is changed between caller and instance for one attempt. On the way in: the address, few headers, never the caller's key. On the way out: the run's
/// figures are taken off, the slot is given back and the receipt written before a single header leaves, and the product's own headers are set.
/// </summary>
internal sealed class InstanceTransform(InvocationRun run, InstanceTarget target, RequestBody body, TimeProvider time, MirrorCapture? capture = null) : HttpTransformer
{
    private static readonly Uri InferAddress = new("http://instance/infer");

    private AnswerCompression? _compression;
    private byte[]? _problem;

    /// <summary>The instance's answer has begun.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Status of the instance's answer.</summary>
    public int Status { get; private set; }

    public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        var invocation = run.Invocation;
        if (target.Path is { } path)
        {
            await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
            foreach (var name in InstanceHeaders.Own)
            {
                proxyRequest.Headers.Remove(name);
            }

            proxyRequest.RequestUri = RequestUtilities.MakeDestinationAddress(destinationPrefix, path, httpContext.Request.QueryString);
        }
        else
        {
            proxyRequest.RequestUri = InferAddress;
            CopyInferenceHeaders(httpContext.Request, proxyRequest);
        }

        if (!invocation.Revision.Spec.Kind.RunsModels)
        {
            proxyRequest.Headers.TryAddWithoutValidation(DormouseHeaders.InvocationId, invocation.Id.ToString());
            proxyRequest.Headers.TryAddWithoutValidation(DormouseHeaders.Deadline, Deadline());
        }

        proxyRequest.Headers.TryAddWithoutValidation(DormouseHeaders.ModelName, invocation.Endpoint.Name);
        proxyRequest.Headers.TryAddWithoutValidation(DormouseHeaders.ModelVersion, invocation.Revision.Id.Number.ToString(CultureInfo.InvariantCulture));
        if (proxyRequest.Content is { } content && body.IsKept)
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

        HasBegun = true;
        Status = (int)proxyResponse.StatusCode;
        capture?.Began(proxyResponse);
        var headers = httpContext.Response.Headers;
        var id = headers[DormouseHeaders.InvocationId];
        await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        AnswerHeaders.Disown(headers, id);
        headers.Remove(DormouseHeaders.RunMicroseconds);
        headers.Remove(DormouseHeaders.CpuMicroseconds);
        headers.Remove(DormouseHeaders.Batch);
        var receipt = RunFigures.Of(proxyResponse) is { } figures ? run.RunEnded(Status, proxyResponse.Content.Headers.ContentLength ?? 0, figures) : null;
        AnswerHeaders.Set(headers, run.Invocation, receipt);
        if (await InstanceProblem.ReadAsync(proxyResponse, run.Invocation, target, cancellationToken) is { } problem)
        {
            Ended(receipt);
            _problem = problem;
            return false;
        }

        if (run.HasCallerLeft && receipt is not null)
        {
            return false;
        }

        _compression = target.IsInference ? AnswerCompression.Begin(httpContext, proxyResponse) : null;
        if (Status != StatusCodes.Status101SwitchingProtocols)
        {
            await WatchAsync(proxyResponse, receipt, cancellationToken);
        }

        return true;
    }

    /// <summary>Writes what is left of the answer after the forwarder is through.</summary>
    public async ValueTask FinishAsync(HttpContext context, bool isWhole)
    {
        if (_compression is not null)
        {
            await _compression.FinishAsync(context, isWhole);
        }

        if (_problem is not null && isWhole)
        {
            context.Response.ContentLength = _problem.Length;
            await context.Response.Body.WriteAsync(_problem, CancellationToken.None);
        }
    }

    /// <summary>Until when the run may go on, by its own limit and by its caller's wish.</summary>
    private string Deadline()
    {
        var left = run.Invocation.Revision.Spec.Timeout;
        if (run.Invocation.Terms.Within is { } within && within - time.GetElapsedTime(run.Invocation.ArrivedTimestamp) is var wished && wished < left)
        {
            left = wished;
        }

        return (time.GetUtcNow() + left).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
    }

    private void CopyInferenceHeaders(HttpRequest request, HttpRequestMessage proxyRequest)
    {
        if (proxyRequest.Content is not { } content)
        {
            return;
        }

        Copy(request, content.Headers, HeaderNames.ContentType);
        Copy(request, content.Headers, HeaderNames.ContentEncoding);
        if (body.DeclaredBytes is { } length)
        {
            content.Headers.ContentLength = length;
        }

        Copy(request, proxyRequest.Headers, DormouseHeaders.InferenceHeaderContentLength);
    }

    private static void Copy(HttpRequest request, HttpHeaders to, string name)
    {
        var value = request.Headers[name];
        if (value.Count > 0)
        {
            to.TryAddWithoutValidation(name, value.ToString());
        }
    }

    /// <summary>
    /// Notes the last byte before the caller gets it: then the instance is free of the answer, and of one that does not measure its runs the receipt is written.
    /// </summary>
    private async ValueTask WatchAsync(HttpResponseMessage response, Receipt? receipt, CancellationToken cancellationToken)
    {
        var length = response.Content.Headers.ContentLength;
        if (length == 0)
        {
            Ended(receipt);
            return;
        }

        var answer = await response.Content.ReadAsStreamAsync(cancellationToken);
        response.Content = new StreamContent(new AnswerWatchStream(answer, length, run.Deadline, () => Ended(receipt), capture));
    }

    private void Ended(Receipt? receipt)
    {
        if (receipt is null)
        {
            run.AnswerEnded(Status);
        }
        else
        {
            run.AnswerRead();
        }
    }
}
