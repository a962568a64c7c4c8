using Dormouse.Core;
using Dormouse.Core.Access;
using Dormouse.Core.Events;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Access;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Queues;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Dormouse.Server.Triggers;

/// <summary><c>POST /events/{trigger}</c>: events in, each an asynchronous invocation. 202 when all of them are on the disk.</summary>
internal sealed class EventsRoute(AccessGate gate, TriggerParts parts, IIdSource ids)
{
    private static readonly TimeSpan FullRetry = TimeSpan.FromSeconds(5);

    public void Map(IEndpointRouteBuilder app)
    {
        foreach (var prefix in (string[])["", "/t/{tenant}"])
        {
            app.MapMethods(prefix + "/events/{trigger}", ["POST"], PostAsync);
        }
    }

    private async Task PostAsync(HttpContext context)
    {
        var tenant = V2Routes.TenantOf(context);
        if (await gate.CheckAsync(context, KeyScopes.Invoke, tenant) is null)
        {
            return;
        }

        var name = (string)context.Request.RouteValues["trigger"]!; // The route has it.
        if (await parts.Store.FindAsync(tenant, name, context.RequestAborted) is not { Kind: HttpKind.KindName } trigger)
        {
            await Problems.WriteAsync(context, ProblemCode.TriggerNotFound, "There is no trigger of this name that takes events over HTTP; 'dormouse trigger list' shows those that there are.");
            return;
        }

        if (trigger.IsPaused)
        {
            await Problems.WriteAsync(context, ProblemCode.TriggerPaused, $"Trigger '{name}' is paused. 'dormouse trigger resume {name}' lets it take events again.");
            return;
        }

        await using var body = await RequestBody.ReadAsync(context, RequestBody.KeptBytesMax, parts.Time);
        if (body.Problem is { } problem || !body.IsKept)
        {
            context.Response.Headers.Connection = "close";
            await Problems.WriteAsync(context, body.Problem?.Code ?? ProblemCode.BodyTooLarge, body.Problem?.Detail ?? $"Events have at most {RequestBody.KeptBytesMax} bytes.");
            return;
        }

        if (HttpKind.Read(trigger, context.Request, body.Kept, ids.NewId(), parts.Time.GetUtcNow(), out var fault) is not { } events)
        {
            await Problems.WriteAsync(context, ProblemCode.RequestInvalid, fault ?? "It is no CloudEvent; a trigger with '--source events=any' takes every body.");
            return;
        }

        await QueueAsync(context, trigger, [.. events]);
    }

    /// <summary>One after the other: what was queued before one that could not be is queued once when the sender sends all again.</summary>
    private async Task QueueAsync(HttpContext context, Trigger trigger, List<SourceEvent> events)
    {
        var input = new EventInput(trigger);
        var queued = new List<string>();
        foreach (var from in events)
        {
            if (!input.Takes(from))
            {
                parts.Metrics.Passed(trigger, 1);
                continue;
            }

            switch (await parts.Feed.EnqueueAsync(input.Compose([from], parts.Time.GetUtcNow()), context.RequestAborted))
            {
                case FeedOutcome.Queued done:
                    parts.Metrics.Fired(trigger, 1);
                    queued.Add(done.Invocation.ToString());
                    break;
                case FeedOutcome.Full full:
                    await RefuseAsync(context, trigger, ProblemCode.QueueFull, full.Reason);
                    return;
                case FeedOutcome.Refused refused:
                    parts.Metrics.Rejected(trigger);
                    await RefuseAsync(context, trigger, refused.Code, refused.Reason);
                    return;
                case FeedOutcome.NoEndpoint gone:
                    await RefuseAsync(context, trigger, ProblemCode.QueueUnavailable, gone.Reason);
                    return;
                case FeedOutcome.Away away:
                    await RefuseAsync(context, trigger, ProblemCode.QueueUnavailable, away.Reason);
                    return;
            }
        }

        await JsonBody.WriteAsync(context, new EventsAnswer([.. queued], events.Count - queued.Count), ControlJson.Default.EventsAnswer, StatusCodes.Status202Accepted);
    }

    private async Task RefuseAsync(HttpContext context, Trigger trigger, ProblemCode code, string reason)
    {
        await parts.Store.ReportAsync(trigger.Id, reason, parts.Time.GetUtcNow(), context.RequestAborted);
        await Problems.WriteAsync(context, code, $"The event is not queued: {reason}.{(code.Retryable ? " Send it again later: what of it is queued already is queued once." : "")}", code.Retryable ? FullRetry : null);
    }
}
