using Dormouse.Core;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Protocol;
using Dormouse.Server.Access;
using Dormouse.Server.Errors;
using Dormouse.Server.Overflow;
using Dormouse.Server.Pipelines;
using Dormouse.Server.Queues;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Routing;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Gateway;

/// <summary>What a path of the data plane addresses.</summary>
/// <param name="Version">Revision number or tag as written in the path; null = by header or traffic.</param>
internal readonly record struct InvocationAddress(TenantId Tenant, string Endpoint, string? Version, InstanceTarget Target);

/// <summary>What the pipeline needs to turn a request into an invocation.</summary>
internal sealed record InvocationParts(RoutingTable Routes, AccessGate Gate, RevisionResolver Resolver, IIdSource Ids, ServerIdentity Server, PinnedSteps Steps, TimeProvider Time);

/// <param name="Id">Of the data folder: other servers know this one by it.</param>
internal sealed record ServerIdentity(Guid Id);

/// <summary>An HTTP invocation from its request to its answer: who calls, which revision, the body, the run, and what to say when there is no answer.</summary>
internal sealed class InvocationPipeline(InvocationParts parts, InvocationRunner runner, MirrorCopies mirrors, QueueIntake queue, Lazy<PipelineGateway> pipelines, HttpExchangeParts exchangeParts)
{
    public bool IsStopping => runner.IsStopping;

    /// <summary>The clock that bodies are timed by.</summary>
    public TimeProvider Time => parts.Time;

    public async Task InvokeAsync(HttpContext context, InvocationAddress address)
    {
        var arrived = parts.Time.GetTimestamp();
        var route = parts.Routes.Find(address.Tenant, address.Endpoint);
        var isQueued = QueueTerms.IsAsked(context.Request.Headers, out var wrongMode);
        // What is queued is asked for later, and that needs a key.
        var caller = await parts.Gate.CheckAsync(context, KeyScopes.Invoke, address.Tenant, !isQueued && (route?.Endpoint.IsPublic ?? false));
        if (caller is null)
        {
            return;
        }

        if (route is null)
        {
            await WriteAsync(context, Problem.EndpointNotFound(address.Endpoint));
            return;
        }

        if (wrongMode is not null)
        {
            await WriteAsync(context, wrongMode);
            return;
        }

        if (!CallerTerms.TryRead(context.Request.Headers, parts.Time.GetUtcNow(), out var terms, out var wrong))
        {
            await WriteAsync(context, wrong);
            return;
        }

        var hopsFault = Hops.Read(Value(context, DormouseHeaders.Hops), parts.Server.Id, out var hops);
        if (hopsFault != HopsFault.None)
        {
            await WriteAsync(context, OverflowFault.Of(hopsFault));
            return;
        }

        if (isQueued)
        {
            await (runner.IsStopping ? WriteAsync(context, Problem.ServerStopping) : queue.AcceptAsync(context, route, address, terms));
            return;
        }

        var (revision, refusal) = await parts.Resolver.ResolveAsync(route, address.Version, context.Request.Headers, context.RequestAborted);
        var id = new InvocationId(parts.Ids.NewId());
        context.Response.Headers[DormouseHeaders.InvocationId] = id.ToString();
        if (revision is null)
        {
            await WriteAsync(context, refusal ?? throw new InvalidOperationException("A resolution is a revision or a problem."));
            return;
        }

        if (revision.Spec.Pipeline is not null)
        {
            await (runner.IsStopping ? WriteAsync(context, Problem.ServerStopping) : pipelines.Value.AnswerAsync(context, new PipelineRequest(id, route, revision, terms, address.Target)));
            return;
        }

        await RunAsync(context, new Invocation(id, route.Endpoint, revision, arrived)
        {
            Terms = terms,
            IsPinned = !string.IsNullOrEmpty(address.Version) || Value(context, DormouseHeaders.Revision) is not null,
            Hops = hops,
        }, address.Target);
    }

    private async ValueTask RunAsync(HttpContext context, Invocation invocation, InstanceTarget target)
    {
        if (runner.IsStopping)
        {
            await WriteAsync(context, Problem.ServerStopping);
            return;
        }

        if (TensorAddress.Refusal(invocation.Endpoint, invocation.Revision, target) is { } noModel)
        {
            await WriteAsync(context, noModel);
            return;
        }

        if (PictureAddress.Refusal(context, invocation, target) is { } misplaced)
        {
            await WriteAsync(context, misplaced);
            return;
        }

        await using var body = await RequestBody.ReadAsync(context, exchangeParts.Settings.BodyLimitBytes, parts.Time);
        if (body.Problem is { } unread)
        {
            // What is left of the body is taken in for a few seconds only: the connection cannot be used again.
            context.Response.Headers.Connection = "close";
            await WriteAsync(context, unread);
            return;
        }

        using var mirrored = mirrors.Choose(invocation, context, target, body);
        var exchange = new HttpExchange(context, body, target, exchangeParts, mirrored);
        switch (await runner.RunAsync(invocation, exchange, context.RequestAborted))
        {
            case RunEnd.Failed failed:
                if (invocation.Sequence is not null)
                {
                    AnswerHeaders.Set(context.Response.Headers, invocation, invocation.Receipt);
                }
                else
                {
                    AnswerHeaders.SetWaited(context.Response.Headers, parts.Time.GetElapsedTime(invocation.ArrivedTimestamp));
                }

                await WriteAsync(context, failed.Problem);
                break;
            case RunEnd.Cut cut when !context.Response.HasStarted:
                await WriteAsync(context, cut.Problem);
                break;
            case RunEnd.Cut:
                context.Abort();
                break;
            case RunEnd.CallerLeft when !context.Response.HasStarted:
                context.Response.StatusCode = ProblemBoundary.StatusCallerLeft;
                break;
            case RunEnd.Answered when mirrored is not null:
                mirrors.Offer(mirrored, invocation, body.IsWhole ? body.Detach() : null);
                break;
            case RunEnd.CallerLeft or RunEnd.Answered:
                break;
        }
    }

    private static string? Value(HttpContext context, string header) => context.Request.Headers.TryGetValue(header, out var values) ? values.ToString() : null;

    private static Task WriteAsync(HttpContext context, Problem problem) => Problems.WriteAsync(context, problem.Code, problem.Detail, problem.RetryAfter);
}
