using Dormouse.Core;
using Dormouse.Core.Overflow;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Errors;
using Dormouse.Server.Overflow;
using Dormouse.Server.Rollouts;
using Microsoft.AspNetCore.Http;
using Yarp.ReverseProxy.Forwarder;

namespace Dormouse.Server.Gateway;

/// <summary>Where a request goes on the instance.</summary>
/// <param name="Path">Null = the inference route; else the path that the caller gave after the endpoint's name, with its query.</param>
internal readonly record struct InstanceTarget(PathString? Path)
{
    public bool IsInference => Path is null;
}

/// <summary>What every HTTP exchange needs besides its request.</summary>
internal sealed record HttpExchangeParts(IHttpForwarder Forwarder, GatewaySettings Settings, IIdSource Ids, TimeProvider Time);

/// <summary>An HTTP request forwarded to an instance by YARP's forwarder, and its answer streamed back.</summary>
internal sealed class HttpExchange(
    HttpContext context, RequestBody body, InstanceTarget target, HttpExchangeParts parts, MirrorCapture? capture = null) : Exchange
{
    private const string Destination = "http://instance";

    /// <summary>The run's own deadline ends an attempt; the forwarder's inactivity limit must never come first.</summary>
    private static readonly ForwarderRequestConfig Config = new()
    {
        ActivityTimeout = TimeSpan.FromDays(20),
        Version = System.Net.HttpVersion.Version11,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        AllowResponseBuffering = true,
    };

    public override long BodyBytes => body.KnownBytes;

    public override bool CanRepeat => body.IsKept;

    public override bool MayFailWaiting => !body.IsWhole;

    /// <summary>A connection to be upgraded belongs to its program here.</summary>
    public override bool CanOverflowTo(OverflowPolicy policy) => context.Request.Headers.Upgrade.Count == 0;

    public override async ValueTask<bool> WhileWaitingAsync(Task<SlotResult> grant)
    {
        var isWell = await body.SpoolWhileAsync(grant, parts.Settings.SpoolFolder, parts.Ids, context.RequestAborted);
        BodyProblem = body.Problem;
        return isWell;
    }

    public override async ValueTask<AttemptEnd> SendAsync(InvocationRun run, CancellationToken deadline)
    {
        var request = context.Request;
        var original = request.Body;
        var callerLeft = context.RequestAborted;
        await using var sent = body.Open(run.Deadline);
        await using var cancellation = RunCancellation.For(run, callerLeft, deadline);
        var transform = new InstanceTransform(run, target, body, parts.Time, capture);
        request.Body = sent;
        // A run goes on when its caller leaves, so the forwarder must not hear of it.
        context.RequestAborted = CancellationToken.None;
        ForwarderError error;
        try
        {
            error = await parts.Forwarder.SendAsync(context, Destination, run.Invoker, Config, transform, deadline);
            await transform.FinishAsync(context, error == ForwarderError.None);
        }
        finally
        {
            request.Body = original;
            context.RequestAborted = callerLeft;
        }

        return error == ForwarderError.None ? Finished(run, transform) : Judge(run, transform, sent);
    }

    public override async ValueTask<bool> BeforeOverflowAsync(TimeSpan limit)
    {
        var isWell = await body.SpoolRestAsync(limit, parts.Settings.SpoolFolder, parts.Ids, context.RequestAborted);
        BodyProblem = body.Problem;
        return isWell;
    }

    public override async ValueTask<RunEnd?> OverflowAsync(OverflowRun run, CancellationToken deadline)
    {
        var request = context.Request;
        var original = request.Body;
        await using var sent = body.Open(deadline: null);
        var transform = new OverflowTransform(run, target, body);
        request.Body = sent;
        ForwarderError error;
        try
        {
            error = await parts.Forwarder.SendAsync(context, Destination, run.Invoker, Config, transform, deadline);
        }
        finally
        {
            request.Body = original;
        }

        run.Close(transform.Status, isWhole: error == ForwarderError.None);
        if (error == ForwarderError.None && !transform.IsNotTaken && !transform.IsUnaccounted)
        {
            return RunEnd.Answered.Instance;
        }

        var fault = context.Features.Get<IForwarderErrorFeature>()?.Exception;
        if (!context.Response.HasStarted)
        {
            // The forwarder has set the address's status.
            context.Response.Clear();
            context.Response.Headers[Protocol.DormouseHeaders.InvocationId] = run.Invocation.Id.ToString();
            context.Features.Set<IForwarderErrorFeature>(null);
        }

        return transform.IsNotTaken ? null : OverflowFault.Judge(run, transform.IsUnaccounted, fault);
    }

    private static AttemptEnd Finished(InvocationRun run, InstanceTransform transform)
    {
        if (run.Invocation.Receipt is null)
        {
            // An upgraded connection, or an answer without a body.
            run.AnswerEnded(transform.Status);
        }

        return AttemptEnd.Answered;
    }

    private AttemptEnd Judge(InvocationRun run, InstanceTransform transform, RequestBodyStream sent)
    {
        if (context.Response.HasStarted)
        {
            return AttemptEnd.BrokenInAnswer;
        }

        var forwarding = context.Features.Get<IForwarderErrorFeature>()?.Exception;
        // The forwarder may have cleared it, too.
        context.Response.Clear();
        context.Response.Headers[Protocol.DormouseHeaders.InvocationId] = run.Invocation.Id.ToString();
        context.Features.Set<IForwarderErrorFeature>(null);
        if (sent.Fault is { } fault)
        {
            BodyProblem = body.Problem ?? Describe(fault);
            return AttemptEnd.BodyFailed;
        }

        return transform.HasBegun ? AttemptEnd.BrokenInAnswer
            : InstanceConnections.IsUnreachable(forwarding) ? AttemptEnd.NotTaken
            : AttemptEnd.Broken;
    }

    private static Problem Describe(Exception fault)
    {
        if (fault is BadHttpRequestException bad)
        {
            var (code, detail) = BadRequests.Describe(bad);
            return new Problem(code, detail);
        }

        return new Problem(ProblemCode.BodyIncomplete, "The connection ended before the whole request body had come. Send it again.");
    }
}
