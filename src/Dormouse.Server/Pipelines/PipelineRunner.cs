using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Queues;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Queues;
using Dormouse.Server.Routing;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Pipelines;

/// <summary>Drives runs of pipelines: makes the calls that <see cref="PipelineRun"/> wants and tells it how they ended.</summary>
internal sealed partial class PipelineRunner(InvocationParts parts, InvocationRunner invocations, StepCaller caller, IPipelineStore store, QueuesSettings settings, ILogger<PipelineRunner> logger)
{
    private static readonly TimeSpan FullRetry = TimeSpan.FromSeconds(1);

    private readonly PipelinePlaces _places = new();

    /// <summary>Runs the pipeline as one invocation: of a caller, from the queue, or as a step of another.</summary>
    /// <param name="leased">What was sent to it.</param>
    /// <returns>Null when it was cancelled.</returns>
    public async Task<AttemptResult?> RunAsync(LeasedItem leased, EndpointRoute route, Revision revision, AttemptTerms terms, CancellationToken cancelled)
    {
        var item = leased.Item;
        var began = parts.Time.GetTimestamp();
        var record = new PipelineRecord(item.Id, item.Tenant, revision.Id, parts.Time.GetUtcNow(), 0, null);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancelled);
        var place = terms.Step ?? new StepPlace(new StepRun(item.Id, TraceHeaders.Of(item.Id, item.Request.Headers), new StepLog(store, terms.IsDeferred ? item.Lease : null, ending, () => invocations.IsStopping, parts.Time)), "", 1);
        var log = place.Run.Log;
        if (terms.Step is null && terms.IsDeferred && await BeginRefusalAsync(log, record, item) is { } away)
        {
            return away;
        }

        var result = await RunAsync(leased, route, await PinnedAsync(route, revision, place), place, terms, ending.Token);
        if (result is null && terms.Step is null && log.HasServerStopped && !cancelled.IsCancellationRequested)
        {
            result = QueueAttempt.Unanswered(item, Problem.ServerStopping, hasBegun: false);
        }

        if (terms.Step is null && !terms.IsDeferred)
        {
            await KeepAsync(log, record with { RunMicroseconds = parts.Time.GetElapsedTime(began).Ticks / TimeSpan.TicksPerMicrosecond, Status = Status(result) });
        }

        return result;
    }

    private async Task<AttemptResult?> RunAsync(LeasedItem leased, EndpointRoute route, Revision revision, StepPlace place, AttemptTerms terms, CancellationToken cancelled)
    {
        var (item, endpoint) = (leased.Item, route.Endpoint);
        if (place.Depth > PipelineLimits.DepthMax)
        {
            return Refused(item, ProblemCode.StepRejected, $"Pipeline '{endpoint.Name}' is called within {PipelineLimits.DepthMax} others; no more may be within each other.");
        }

        if (!_places.TryEnter(endpoint.Id, revision.Spec.Concurrency))
        {
            return QueueAttempt.Unanswered(
                item, new Problem(ProblemCode.ConcurrencyLimitReached, $"{revision.Spec.Concurrency} runs of pipeline '{endpoint.Name}' are going on, as many as its concurrency allows. Retry in a moment or raise it.", FullRetry), hasBegun: false);
        }

        try
        {
            return await RunAsync(leased, revision, place, terms with { Tenant = endpoint.Tenant }, cancelled);
        }
        finally
        {
            _places.Leave(endpoint.Id);
        }
    }

    private async Task<AttemptResult?> RunAsync(LeasedItem leased, Revision revision, StepPlace place, AttemptTerms terms, CancellationToken cancelled)
    {
        var began = parts.Time.GetTimestamp();
        var within = terms.Caller.Within is { } callers && callers < revision.Spec.Timeout ? callers : revision.Spec.Timeout;
        using var limit = new CancellationTokenSource(within > TimeSpan.Zero ? within : TimeSpan.Zero, parts.Time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancelled, limit.Token);
        var definition = revision.Spec.Pipeline ?? throw new InvalidOperationException($"{revision.Id} is no pipeline.");
        var input = new StepData(leased.Body, leased.Item.Request.Headers.FirstOrDefault(h => h.Key.Equals("Content-Type", StringComparison.OrdinalIgnoreCase)).Value);
        var run = new PipelineRun(definition, input, place.Run.Id.ToString(), place.Run.Log.Outcomes(place.Prefix));
        if (await DriveAsync(run, call => caller.CallAsync(call, place, terms, () => within - parts.Time.GetElapsedTime(began), stop.Token), stop))
        {
            return Result(leased.Item, run.End ?? throw new InvalidOperationException("A run that makes no calls has ended."));
        }

        return cancelled.IsCancellationRequested
            ? null
            : QueueAttempt.Unanswered(
                leased.Item,
                new Problem(ProblemCode.DeadlineExceeded, $"The pipeline took longer than the {Durations.Format(within)} that {(within < revision.Spec.Timeout ? "its caller gave it" : $"revision r{revision.Id.Number} allows")} and was ended."),
                hasBegun: true);
    }

    private static async Task<AttemptResult?> BeginRefusalAsync(StepLog log, PipelineRecord run, QueueItem item)
    {
        try
        {
            await log.BeginAsync(run);
            return null;
        }
        catch (IOException)
        {
            return QueueAttempt.Unanswered(item, new Problem(ProblemCode.StoreUnavailable, "The run could not be stored: the disk is full, or the database does not answer."), hasBegun: false);
        }
    }

    /// <summary>A run that goes on stays with the revision that it began with.</summary>
    private async Task<Revision> PinnedAsync(EndpointRoute route, Revision revision, StepPlace place)
    {
        var number = await place.Run.Log.PinAsync(place.Prefix, revision.Id.Number);
        return number == revision.Id.Number ? revision : await parts.Resolver.FindAsync(route, number, CancellationToken.None) is { Spec.Pipeline: not null } first ? first : revision;
    }

    /// <summary>Before its caller is answered: who has the id finds the run. A store that is away does not keep the answer back.</summary>
    private async Task KeepAsync(StepLog log, PipelineRecord run)
    {
        try
        {
            await store.AddAsync(run, log.Parts, CancellationToken.None);
        }
        catch (IOException e)
        {
            LogNotKept(run.Run, e);
        }
    }

    private static int Status(AttemptResult? result) => result switch
    {
        AttemptResult.Answered answered => answered.Answer.Status,
        AttemptResult.Unanswered refused => refused.Answer.Status,
        _ => ProblemBoundary.StatusCallerLeft,
    };

    /// <summary>Until the run has ended or is stopped, and no call of it is left. False when it was stopped.</summary>
    private static async Task<bool> DriveAsync(PipelineRun run, Func<PipelineCall, Task<CallOutcome>> call, CancellationTokenSource stop)
    {
        var running = new Dictionary<Task<CallOutcome>, PipelineCall>();
        try
        {
            while (!stop.IsCancellationRequested)
            {
                foreach (var next in run.Begin())
                {
                    running.Add(call(next), next);
                }

                if (running.Count == 0)
                {
                    return true;
                }

                var done = await Task.WhenAny(running.Keys);
                running.Remove(done, out var ended);
                run.Ended(ended!, await done); // It was one of them.
                if (run.IsFailing)
                {
                    break;
                }
            }

            if (!run.IsFailing)
            {
                return false;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(running.Keys).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        foreach (var given in running.Values)
        {
            run.Ended(given, CallOutcome.Of(new CallFault(504, "it was given up", IsRetryable: true)));
        }

        return true;
    }

    private AttemptResult Result(QueueItem item, PipelineEnd end)
    {
        switch (end)
        {
            case PipelineEnd.Answered { Answer: var answer } when answer.Body.Length > settings.BodyLimitBytes:
                return Refused(item, ProblemCode.AnswerTooLarge, $"The pipeline's answer has {answer.Body.Length} bytes; at most {settings.BodyLimitBytes} are taken (queues.body_limit). Answer with less.");
            case PipelineEnd.Answered { Answer: var answer }:
                return new AttemptResult.Answered(new StoredAnswer(200, answer.ContentType is { } type ? [KeyValuePair.Create("Content-Type", type)] : [], answer.Body));
            case PipelineEnd.Failed failed:
                var code = failed.Fault.Status < 500 ? ProblemCode.StepRejected : ProblemCode.StepFailed;
                var result = QueueAttempt.Unanswered(item, new Problem(code, $"Step '{failed.Key}' (endpoint '{failed.Step.Endpoint}') failed: {failed.Fault.Detail}."), hasBegun: !failed.Fault.IsNotBegun);
                return result with { IsRetryable = failed.Fault.IsRetryable };
            default:
                throw new InvalidOperationException("A run ends with an answer or fails.");
        }
    }

    private static AttemptResult.Unanswered Refused(QueueItem item, ProblemCode code, string detail) => QueueAttempt.Unanswered(item, new Problem(code, detail), hasBegun: true);

    [LoggerMessage(EventId = 6601, EventName = "PipelineRunNotKept", Level = LogLevel.Warning,
        Message = "The parts of pipeline run {Invocation} could not be stored; its receipt cannot be shown, those of its steps can. Is the disk full, or the database away?")]
    private partial void LogNotKept(InvocationId invocation, Exception fault);
}
