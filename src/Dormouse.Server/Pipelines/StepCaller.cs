using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Gateway;
using Dormouse.Server.Queues;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Pipelines;

/// <summary>Makes one call of a step with all its attempts. Each attempt is an invocation of the step's endpoint like every other, with a receipt of its own.</summary>
internal sealed class StepCaller(InvocationParts parts, QueueAttempt attempts, BackgroundTasks background)
{
    /// <summary>Characters of an endpoint's answer that an error shows.</summary>
    private const int ShownMax = 200;

    /// <param name="left">How long the run still has.</param>
    /// <param name="stop">The run ends.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public async Task<CallOutcome> CallAsync(PipelineCall call, StepPlace place, AttemptTerms terms, Func<TimeSpan> left, CancellationToken stop)
    {
        var made = new List<PipelinePart>();
        CallOutcome? outcome = null;
        try
        {
            outcome = await AttemptsAsync(call, place, terms, left, made, stop);
            return outcome;
        }
        finally
        {
            // What failed is found out anew when the run goes on elsewhere, unless the run went on with that.
            var isKept = outcome is { Output: not null } || (outcome is not null && call.Step.OnError == StepFailure.Continue);
            await place.Run.Log.EndCallAsync(place.KeyOf(call), isKept ? outcome : null, [.. made]);
        }
    }

    private async Task<CallOutcome> AttemptsAsync(PipelineCall call, StepPlace place, AttemptTerms terms, Func<TimeSpan> left, List<PipelinePart> made, CancellationToken stop)
    {
        var retry = call.Step.Retry;
        for (var attempt = 1; ; attempt++)
        {
            stop.ThrowIfCancellationRequested();
            if (!place.Run.TryCall())
            {
                return CallOutcome.Of(new CallFault(422, $"the run has made {PipelineLimits.CallsMax} calls, and none may make more", IsRetryable: false));
            }

            var id = StepIds.Of(place.Run.Id, place.KeyOf(call), attempt);
            made.Add(new PipelinePart(place.KeyOf(call), call.Step.Endpoint, id, attempt, 0, "it was given up"));
            var outcome = await AttemptAsync(call, id, attempt, place, terms, left(), stop);
            if (outcome.Fault is not null)
            {
                await place.Run.Log.EndIfStoppingAsync();
                stop.ThrowIfCancellationRequested();
            }

            made[^1] = made[^1] with { Status = outcome.Fault?.Status ?? 200, Detail = outcome.Fault?.Detail };
            if (outcome.Fault is not { } fault || attempt >= retry.Attempts || !fault.IsRetryable)
            {
                return outcome.Fault is { } last && attempt > 1
                    ? CallOutcome.Of(last with { Detail = string.Create(CultureInfo.InvariantCulture, $"{last.Detail} (attempt {attempt} of {retry.Attempts})") })
                    : outcome;
            }

            await Task.Delay(retry.Pause(attempt, parts.Resolver.DrawFraction()), parts.Time, stop);
        }
    }

    private async Task<CallOutcome> AttemptAsync(PipelineCall call, InvocationId id, int attempt, StepPlace place, AttemptTerms terms, TimeSpan left, CancellationToken stop)
    {
        var step = call.Step;
        if (parts.Routes.Find(terms.Tenant, step.Endpoint) is not { } route)
        {
            return CallOutcome.Of(new CallFault(404, $"there is no endpoint '{step.Endpoint}'", IsRetryable: false));
        }

        var leased = Compose(call, id, attempt, place, route);
        var within = step.Timeout is { } timeout && timeout < left ? timeout : left;
        // The end of the run stops it as well, but is no fault of the step.
        using var limit = new CancellationTokenSource(step.Timeout ?? Timeout.InfiniteTimeSpan, parts.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, limit.Token);
        var running = attempts.RunAsync(leased, terms with { Caller = terms.Caller with { Within = within }, Step = place.Inside(call) }, either.Token);
        AttemptEnding ending;
        try
        {
            // A pipeline within ends at once by itself, with all that is to be known of it.
            ending = route.Revisions is [{ Spec.Kind.HasInstances: false }, ..] ? await running : await running.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            // What cannot be asked to end runs on to its own end, and leaves its receipt.
            background.Add(running.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default));
            return TooLate(step, stop);
        }

        return ending.Result is { } result ? Outcome(result) : TooLate(step, stop);
    }

    private static CallOutcome TooLate(PipelineStep step, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        return CallOutcome.Of(new CallFault(504, $"it took longer than its timeout of {Durations.Format(step.Timeout ?? TimeSpan.Zero)}", IsRetryable: true));
    }

    private static CallOutcome Outcome(AttemptResult result) => result switch
    {
        AttemptResult.Answered { Answer: { Status: < 400 } answer } => CallOutcome.Of(new StepData(answer.Body, ContentType(answer))),
        AttemptResult.Answered { Answer: var answer } => CallOutcome.Of(
            new CallFault(answer.Status, string.Create(CultureInfo.InvariantCulture, $"it answered {answer.Status}{Shown(answer)}"), AttemptRule.IsWorthAnother(answer.Status))),
        AttemptResult.Unanswered refused => CallOutcome.Of(new CallFault(refused.Answer.Status, refused.Reason.TrimEnd('.'), refused.IsRetryable) { IsNotBegun = !refused.HasBegun }),
        _ => throw new InvalidOperationException("An attempt is answered or not."),
    };

    private LeasedItem Compose(PipelineCall call, InvocationId id, int attempt, StepPlace place, EndpointRoute route)
    {
        var now = parts.Time.GetUtcNow();
        var type = call.Input.ContentType;
        ImmutableArray<KeyValuePair<string, string>> headers =
        [
            .. type is null ? ImmutableArray<KeyValuePair<string, string>>.Empty : [KeyValuePair.Create("Content-Type", type)],
            KeyValuePair.Create(DormouseHeaders.IdempotencyKey, $"{place.Run.Id}/{place.KeyOf(call)}"),
            .. place.Run.Trace,
        ];
        var item = new QueueItem
        {
            Id = id,
            Tenant = route.Endpoint.Tenant,
            Endpoint = route.Endpoint.Id,
            Request = new QueuedRequest("POST", call.Step.Path ?? QueueFeed.Target(route, type), call.Step.Revision, headers),
            BodyBytes = call.Input.Body.Length,
            AcceptedAt = now,
            NotBefore = now,
            ExpiresAt = now,
            Attempts = attempt,
            AttemptsMax = call.Step.Retry.Attempts,
        };
        return new LeasedItem(item, call.Input.Body);
    }

    private static string? ContentType(StoredAnswer answer) => answer.Headers.FirstOrDefault(h => h.Key.Equals("Content-Type", StringComparison.OrdinalIgnoreCase)).Value;

    /// <summary>What a problem says of itself, or the beginning of a text.</summary>
    private static string Shown(StoredAnswer answer)
    {
        if (InstanceProblem.Parse(answer.Body.Span) is { Detail: { Length: > 0 } detail } document)
        {
            return $": {(document.Code is { } code ? code + ": " : "")}{detail.TrimEnd('.')}";
        }

        var isText = ContentType(answer) is { } type && (type.StartsWith("text/", StringComparison.OrdinalIgnoreCase) || type.Contains("json", StringComparison.OrdinalIgnoreCase));
        if (answer.Body.IsEmpty || !isText)
        {
            return "";
        }

        var text = Encoding.UTF8.GetString(answer.Body.Span[..Math.Min(answer.Body.Length, ShownMax * 4)]);
        return ": " + new string([.. text.Take(ShownMax).Select(c => char.IsControl(c) ? ' ' : c)]);
    }
}
