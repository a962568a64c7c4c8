using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Pipelines;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Queues;

/// <param name="Result">Null when it was cancelled: nothing is to be kept of it.</param>
/// <param name="Receipt">Null when no instance had it.</param>
internal readonly record struct AttemptEnding(AttemptResult? Result, Receipt? Receipt);

/// <summary>How an attempt goes its way.</summary>
/// <param name="IsDeferred">Nobody waits for it: it stands behind those who do.</param>
internal sealed record AttemptTerms(CallerTerms Caller, bool IsDeferred)
{
    public static readonly AttemptTerms Queued = new(CallerTerms.None, IsDeferred: true);

    /// <summary>The run of a pipeline that it is a step of; null = it is none.</summary>
    public StepPlace? Step { get; init; }

    /// <summary>Whose endpoints its steps are; set by the run of a pipeline.</summary>
    public TenantId Tenant { get; init; }
}

/// <summary>
/// One attempt of one queued invocation, or of one step of a pipeline: it is one more waiting request, on the same way as every other. That of a pipeline runs its steps.
/// </summary>
internal sealed class QueueAttempt(InvocationParts parts, InvocationRunner runner, QueuesSettings settings, Lazy<PipelineRunner> pipelines)
{
    private static readonly HeaderDictionary NoHeaders = [];

    public Task<AttemptEnding> RunAsync(LeasedItem leased, CancellationToken cancelled) => RunAsync(leased, AttemptTerms.Queued, cancelled);

    public async Task<AttemptEnding> RunAsync(LeasedItem leased, AttemptTerms terms, CancellationToken cancelled)
    {
        var item = leased.Item;
        if (parts.Routes.NameOf(item.Endpoint) is not { } name || parts.Routes.Find(item.Tenant, name) is not { } route || route.Endpoint.Id != item.Endpoint)
        {
            return new AttemptEnding(Unanswered(item, new Problem(ProblemCode.EndpointNotFound, "The endpoint was deleted before the invocation ran."), hasBegun: false), null);
        }

        var (revision, refusal) = await parts.Resolver.ResolveAsync(route, item.Request.Version, NoHeaders, CancellationToken.None);
        if (revision is null)
        {
            return new AttemptEnding(Unanswered(item, refusal ?? throw new InvalidOperationException("A resolution is a revision or a problem."), hasBegun: false), null);
        }

        if (revision.Spec.Pipeline is not null)
        {
            return new AttemptEnding(await pipelines.Value.RunAsync(leased, route, revision, terms, cancelled), null);
        }

        var invocation = new Invocation(item.Id, route.Endpoint, revision, parts.Time.GetTimestamp())
        {
            Terms = terms.Caller,
            IsDeferred = terms.IsDeferred,
            IsPinned = item.Request.Version is not null,
        };
        var exchange = new QueuedExchange(leased, settings.BodyLimitBytes, parts.Steps, terms.Step is null ? CancellationToken.None : cancelled);
        var end = await runner.RunAsync(invocation, exchange, cancelled);
        return new AttemptEnding(Judge(item, invocation, exchange, end), invocation.Receipt);
    }

    /// <summary>The server itself failed.</summary>
    public static AttemptResult Faulted(QueueItem item) =>
        Unanswered(item, new Problem(ProblemCode.Internal, "The server failed while it ran the invocation. The operator finds the cause in the server's log."), hasBegun: true);

    /// <summary>It was not answered, for the reason that a caller would have been told.</summary>
    public static AttemptResult.Unanswered Unanswered(QueueItem item, Problem problem, bool hasBegun)
    {
        var (status, type, body) = Problems.Compose(problem.Code, problem.Detail, item.Id.ToString(), isInference: item.Request.Target is null);
        return new AttemptResult.Unanswered(
            new StoredAnswer(status, [KeyValuePair.Create("Content-Type", type)], body), problem.Code.Retryable, hasBegun, problem.RetryAfter, $"{problem.Code.Code}: {problem.Detail}");
    }

    private AttemptResult? Judge(QueueItem item, Invocation invocation, QueuedExchange exchange, RunEnd end) => end switch
    {
        RunEnd.CallerLeft => null,
        RunEnd.Answered when exchange.IsTooLong => Unanswered(
            item,
            new Problem(
                ProblemCode.AnswerTooLarge,
                $"The answer is larger than the {settings.BodyLimitBytes} bytes that are kept of an asynchronous invocation. Answer with less, or let the operator raise queues.body_limit."),
            hasBegun: true),
        RunEnd.Answered when exchange.Answer is { } answer => new AttemptResult.Answered(answer),
        RunEnd.Failed failed => Unanswered(item, failed.Problem, invocation.Receipt is not null || failed.Problem.Code == ProblemCode.StartFailed || failed.Problem.Code == ProblemCode.ColdStartTimeout),
        RunEnd.Cut cut => Unanswered(item, cut.Problem, hasBegun: true),
        _ => throw new InvalidOperationException("A run that was answered has an answer."),
    };
}
