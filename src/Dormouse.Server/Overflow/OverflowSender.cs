using Dormouse.Core.Overflow;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Gateway;
using Dormouse.Server.Logs;
using Dormouse.Server.Telemetry;
using Dormouse.Server.Usage;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Overflow;

/// <summary>What sending needs besides its lane.</summary>
internal sealed record OverflowParts(InvocationRecorder Recorder, ServerIdentity Server, MonotonicClock Clock, TimeProvider Time);

/// <summary>Sends invocations to overflow addresses, as many as each may have, and tells when one is left alone.</summary>
internal sealed partial class OverflowSender(
    OverflowLanes lanes, OverflowKeys keys, OverflowParts parts, OverflowMetrics metrics, LogStore logs, ILogger<OverflowSender> logger)
{
    /// <summary>The lane that this invocation may go; null when it may not: its revision has none, it names its revision, it came too far, or it is nothing that the address takes.</summary>
    public OverflowLane? LaneOf(Invocation invocation, Exchange exchange) =>
        invocation.Revision.Spec.Overflow is { } policy && !invocation.IsPinned && invocation.Hops.MayGoOn && exchange.CanOverflowTo(policy)
            ? lanes.Of(invocation.Revision.Id, policy)
            : null;

    public bool HasRoom(OverflowLane lane) => lane.HasRoom(parts.Clock.Now);

    /// <summary>Null when nobody took it: nothing ran, and it may still run here.</summary>
    public async ValueTask<RunEnd?> SendAsync(Invocation invocation, Exchange exchange, OverflowLane lane, CancellationToken callerLeft)
    {
        if (!lane.TryEnter(parts.Clock.Now))
        {
            metrics.Full(invocation.Endpoint.Name);
            return null;
        }

        var (end, why) = (LaneEnd.Failed, (string?)"the server failed to send it");
        try
        {
            (var answer, end, why) = await TryAsync(invocation, exchange, lane.Policy, callerLeft);
            return answer;
        }
        finally
        {
            var (before, after) = lane.Leave(end, why, parts.Clock.Now);
            metrics.Ended(invocation.Endpoint.Name, end);
            Tell(invocation, lane.Policy, before, after, why);
        }
    }

    private async ValueTask<(RunEnd? End, LaneEnd Lane, string? Why)> TryAsync(Invocation invocation, Exchange exchange, OverflowPolicy policy, CancellationToken callerLeft)
    {
        string? key;
        try
        {
            key = await keys.ReadAsync(policy, callerLeft);
        }
        catch (IOException e)
        {
            return (null, LaneEnd.NotTaken, e.Message);
        }
        catch (OperationCanceledException) when (callerLeft.IsCancellationRequested)
        {
            return (RunEnd.CallerLeft.Instance, LaneEnd.CallerLeft, null);
        }

        var limit = invocation.Revision.Spec.QueueTimeout + invocation.Revision.Spec.Timeout;
        try
        {
            if (!await exchange.BeforeOverflowAsync(limit))
            {
                return (new RunEnd.Failed(exchange.BodyProblem ?? throw new InvalidOperationException("A body failed without a problem.")), LaneEnd.NotSent, null);
            }
        }
        catch (OperationCanceledException) when (callerLeft.IsCancellationRequested)
        {
            return (RunEnd.CallerLeft.Instance, LaneEnd.CallerLeft, null);
        }

        var waited = parts.Time.GetElapsedTime(invocation.ArrivedTimestamp);
        var left = invocation.Terms.Within is { } within ? within - waited : (TimeSpan?)null;
        if (left <= TimeSpan.Zero)
        {
            return (null, LaneEnd.NotSent, null);
        }

        using var deadline = new RunDeadline(left < limit ? TimeSpan.FromTicks(Math.Max(1, left.Value.Ticks)) : limit, parts.Time);
        var run = new OverflowRun(invocation, policy, parts.Recorder, callerLeft)
        {
            Invoker = lanes.Invoker,
            Key = key,
            Hops = invocation.Hops.Then(parts.Server.Id),
            Deadline = deadline,
            Left = left,
            Waited = waited,
            SentTimestamp = parts.Time.GetTimestamp(),
        };
        var end = await exchange.OverflowAsync(run, deadline.Token);
        return (end, end switch
        {
            null => LaneEnd.NotTaken,
            RunEnd.Answered => LaneEnd.Answered,
            RunEnd.CallerLeft => LaneEnd.CallerLeft,
            _ => LaneEnd.Failed,
        }, run.Why);
    }

    private void Tell(Invocation invocation, OverflowPolicy policy, OverflowHealth before, OverflowHealth after, string? why)
    {
        // A probe that ended without a word on its health is tried again at once.
        if (after.State == before.State || after.State == OverflowState.Probing || (after.State == OverflowState.Open && why is null))
        {
            return;
        }

        var news = after.State == OverflowState.Open
            ? $"overflow address {policy.Host} is left alone for {Core.Endpoints.Durations.Words(after.Until - parts.Clock.Now)}: {why}"
            : $"overflow address {policy.Host} answers again";
        logs.Append(invocation.Endpoint.Id, LogStore.ServerSource, news);
        if (after.State == OverflowState.Open)
        {
            LogLeftAlone(invocation.Endpoint.Name, invocation.Endpoint.Tenant, news);
        }
        else
        {
            LogAnswersAgain(invocation.Endpoint.Name, invocation.Endpoint.Tenant, news);
        }
    }

    [LoggerMessage(EventId = 5201, EventName = "OverflowLeftAlone", Level = LogLevel.Warning, Message = "Endpoint {Endpoint} of {Tenant}: {Change}; until then its invocations wait or are refused here")]
    private partial void LogLeftAlone(string endpoint, Core.Endpoints.TenantId tenant, string change);

    [LoggerMessage(EventId = 5202, EventName = "OverflowAnswersAgain", Level = LogLevel.Information, Message = "Endpoint {Endpoint} of {Tenant}: {Change}")]
    private partial void LogAnswersAgain(string endpoint, Core.Endpoints.TenantId tenant, string change);
}
