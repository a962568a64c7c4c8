using Dormouse.Core.Access;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Protocol;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Access;
using Dormouse.Server.Gateway;
using Dormouse.Server.Queues;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Routing;
using Grpc.Core;

namespace Dormouse.Server.Grpc;

/// <summary>How one message was answered.</summary>
/// <param name="Answer">The answer's bytes; null when there is a <paramref name="Problem"/>.</param>
/// <param name="Invocation">Null when it was refused before it became one.</param>
internal readonly record struct GrpcOutcome(GrpcMessage? Answer, Problem? Problem, Invocation? Invocation, bool HasCallerLeft = false)
{
    /// <summary>The message was queued, as this invocation, and its answer says so.</summary>
    public InvocationId? Queued { get; init; }

    /// <summary>It was queued before, under the same idempotency key.</summary>
    public bool IsKnown { get; init; }

    /// <summary>To be called once, when the caller has the answer; null = nothing is to be done then.</summary>
    public Action? Afterwards { get; init; }
}

/// <summary>Inference messages as invocations: the same steps as over HTTP, with the credential and the model taken from metadata and message.</summary>
internal sealed class GrpcInvocations(InvocationParts parts, InvocationRunner runner, MirrorCopies mirrors, QueuedMessages queue)
{
    /// <summary>Metadata entry that names the tenant; without it the default one is meant.</summary>
    public const string TenantHeader = "dormouse-tenant";

    public static TenantId TenantOf(ServerCallContext context) =>
        TenantOf(context.RequestHeaders.GetValue(TenantHeader));

    public static TenantId TenantOf(string? named) => string.IsNullOrEmpty(named) ? TenantId.Default : new TenantId(named);

    /// <summary>Null when the caller may; also finds the route, whose absence only a caller with a key learns.</summary>
    public async ValueTask<Problem?> CheckAsync(ServerCallContext context, KeyScopes needed, EndpointRoute? route = null)
    {
        var result = await parts.Gate.CheckAsync(
            context.RequestHeaders.GetValue("authorization"), needed, TenantOf(context), route?.Endpoint.IsPublic ?? false);
        return result is AccessResult.Refused refused ? new Problem(refused.Code, refused.Detail) : null;
    }

    public async ValueTask<GrpcOutcome> InvokeAsync(GrpcMessage request, ServerCallContext context)
    {
        var arrived = parts.Time.GetTimestamp();
        ModelRoute model;
        try
        {
            model = ModelRouting.Peek(request.Memory.Span);
        }
        catch (InferenceException fault)
        {
            return new GrpcOutcome(null, new Problem(fault.Code, fault.Message), null);
        }

        var route = parts.Routes.Find(TenantOf(context), model.Name);
        var headers = context.GetHttpContext().Request.Headers;
        var isQueued = QueueTerms.IsAsked(headers, out var wrongMode);
        // What is queued is asked for later, and that needs a key.
        if (await CheckAsync(context, KeyScopes.Invoke, isQueued ? null : route) is { } refused)
        {
            return new GrpcOutcome(null, refused, null);
        }

        if (route is null)
        {
            return new GrpcOutcome(null, Problem.EndpointNotFound(model.Name), null);
        }

        if (wrongMode is not null)
        {
            return new GrpcOutcome(null, wrongMode, null);
        }

        var (revision, problem) = await parts.Resolver.ResolveAsync(route, model.Version, headers, context.CancellationToken);
        if (revision is null && !(isQueued && problem?.Code == ProblemCode.EndpointNotReady))
        {
            return new GrpcOutcome(null, problem, null);
        }

        if (revision is not null && TensorAddress.Refusal(route.Endpoint, revision, default) is { } noModel)
        {
            return new GrpcOutcome(null, noModel, null);
        }

        if (!CallerTerms.TryRead(headers, parts.Time.GetUtcNow(), out var terms, out var wrong))
        {
            return new GrpcOutcome(null, wrong, null);
        }

        return isQueued || revision is null
            ? runner.IsStopping ? new GrpcOutcome(null, Problem.ServerStopping, null) : await queue.AcceptAsync(request, model, route, terms, context)
            : await RunAsync(request, context, new Invocation(new InvocationId(parts.Ids.NewId()), route.Endpoint, revision, arrived)
            {
                Terms = terms,
                IsPinned = model.Version.Length > 0 || headers.ContainsKey(DormouseHeaders.Revision),
            });
    }

    private async ValueTask<GrpcOutcome> RunAsync(GrpcMessage request, ServerCallContext context, Invocation invocation)
    {
        var mirrored = mirrors.Choose(invocation, request.Length);
        var exchange = new GrpcExchange(request, mirrored);
        RunEnd? end = null;
        try
        {
            end = await runner.RunAsync(invocation, exchange, context.CancellationToken);
        }
        finally
        {
            if (end is not RunEnd.Answered)
            {
                mirrored?.Dispose();
            }
        }

        return end switch
        {
            RunEnd.Answered => new GrpcOutcome(exchange.Answer, exchange.Refusal, invocation) { Afterwards = mirrored is null ? null : CopyOf(mirrored, invocation, request.Detach()) },
            RunEnd.Failed failed => new GrpcOutcome(null, failed.Problem, invocation),
            RunEnd.Cut cut => new GrpcOutcome(null, cut.Problem, invocation),
            RunEnd.CallerLeft => new GrpcOutcome(null, null, invocation, HasCallerLeft: true),
            _ => throw new InvalidOperationException($"A run cannot end with {end}."),
        };
    }

    private Action CopyOf(MirrorCapture mirrored, Invocation invocation, DetachedBody body) => () =>
    {
        using (mirrored)
        {
            mirrors.Offer(mirrored, invocation, body);
        }
    };

    /// <summary>The same of a message that was queued.</summary>
    public static Metadata Headers(InvocationId queued, bool isKnown)
    {
        var headers = new Metadata { { GrpcProblems.InvocationHeader, queued.ToString() } };
        if (isKnown)
        {
            headers.Add(DormouseHeaders.Replayed.ToLowerInvariant(), "true");
        }

        return headers;
    }

    /// <summary>What HTTP says in headers.</summary>
    public static Metadata Headers(Invocation invocation, Receipt? receipt)
    {
        var headers = new Metadata { { GrpcProblems.InvocationHeader, invocation.Id.ToString() } };
        if (invocation.Sequence is not null)
        {
            headers.Add("dormouse-start", StartText.Of(invocation.Grant));
            headers.Add("server-timing", AnswerHeaders.Timing(invocation, receipt));
        }

        if (invocation is { Grant.Kind: StartKind.Overflow, Revision.Spec.Overflow: { } policy })
        {
            headers.Add("dormouse-overflow", policy.Host);
        }

        return headers;
    }
}
