using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Queues;
using Dormouse.Server.Routing;
using Microsoft.AspNetCore.Http;
using Endpoint = Dormouse.Core.Endpoints.Endpoint;

namespace Dormouse.Server.Pipelines;

/// <summary>A request for a pipeline, resolved.</summary>
internal sealed record PipelineRequest(InvocationId Id, EndpointRoute Route, Revision Revision, CallerTerms Terms, InstanceTarget Target);

/// <summary>Runs a pipeline while its caller waits.</summary>
internal sealed class PipelineGateway(PipelineRunner runner, WholeBodies bodies, InvocationParts parts, QueuesSettings settings)
{
    /// <summary>A pipeline has one address. Null when it is that one, or the revision is no pipeline.</summary>
    public static Problem? AddressRefusal(Endpoint endpoint, Revision revision, InstanceTarget target) => revision.Spec.Kind.HasInstances || target.Path is not { HasValue: true, Value: not "/" }
        ? null
        : new Problem(ProblemCode.RouteNotFound, $"'{endpoint.Name}' is a pipeline and has no addresses below /invoke/{endpoint.Name}.");

    public async Task AnswerAsync(HttpContext context, PipelineRequest request)
    {
        if (TensorAddress.Refusal(request.Route.Endpoint, request.Revision, request.Target) is { } tensors)
        {
            await WriteAsync(context, tensors);
            return;
        }

        if (AddressRefusal(request.Route.Endpoint, request.Revision, request.Target) is { } below)
        {
            await WriteAsync(context, below);
            return;
        }

        var began = parts.Time.GetTimestamp();
        var (body, unread) = await ReadAsync(context);
        if (unread is not null)
        {
            context.Response.Headers.Connection = "close";
            await WriteAsync(context, unread);
            return;
        }

        var result = await runner.RunAsync(Compose(context.Request, request, body), request.Route, request.Revision, new AttemptTerms(request.Terms, IsDeferred: false), context.RequestAborted);
        context.Response.Headers["Server-Timing"] = string.Create(CultureInfo.InvariantCulture, $"run;dur={parts.Time.GetElapsedTime(began).TotalMilliseconds:0.###}");
        switch (result)
        {
            case null:
                context.Response.StatusCode = ProblemBoundary.StatusCallerLeft;
                break;
            case AttemptResult.Answered answered:
                await AnswerAsync(context, answered.Answer);
                break;
            case AttemptResult.Unanswered refused:
                if (refused.RetryAfter is { } wait)
                {
                    context.Response.Headers.RetryAfter = ((long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
                }

                await AnswerAsync(context, refused.Answer);
                break;
        }
    }

    /// <summary>What the run holds from then on is bounded by how many may run at once.</summary>
    private async Task<(ReadOnlyMemory<byte> Body, Problem? Problem)> ReadAsync(HttpContext context)
    {
        await using var body = await bodies.ReadAsync(context, settings.BodyLimitBytes);
        return body.Problem switch
        {
            null => (body.Detach(), null),
            { } tooLarge when tooLarge.Code == ProblemCode.BodyTooLarge => (default, new Problem(
                ProblemCode.BodyTooLarge, $"The request body is larger than the {settings.BodyLimitBytes} bytes that a pipeline takes. Send less, or let the operator raise queues.body_limit.")),
            var problem => (default, problem),
        };
    }

    private LeasedItem Compose(HttpRequest request, PipelineRequest asked, ReadOnlyMemory<byte> body)
    {
        var now = parts.Time.GetUtcNow();
        return new LeasedItem(
            new QueueItem
            {
                Id = asked.Id,
                Tenant = asked.Route.Endpoint.Tenant,
                Endpoint = asked.Route.Endpoint.Id,
                Request = new QueuedRequest(request.Method, "/", null, [.. StoredRequest.Of(request, asked.Target).Headers]),
                BodyBytes = body.Length,
                Priority = asked.Terms.Priority,
                AcceptedAt = now,
                NotBefore = now,
                ExpiresAt = now,
                AttemptsMax = 1,
                Attempts = 1,
            },
            body);
    }

    private static async Task AnswerAsync(HttpContext context, StoredAnswer answer)
    {
        var response = context.Response;
        response.StatusCode = answer.Status;
        foreach (var (name, value) in answer.Headers)
        {
            response.Headers.Append(name, value);
        }

        response.ContentLength = answer.Body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(answer.Body, context.RequestAborted);
        }
    }

    private static Task WriteAsync(HttpContext context, Problem problem) => Problems.WriteAsync(context, problem.Code, problem.Detail, problem.RetryAfter);
}
