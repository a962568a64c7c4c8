using System.Collections.Immutable;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Server.Gateway;
using Microsoft.Net.Http.Headers;

namespace Dormouse.Server.Queues;

/// <summary>A queued invocation and the answer of its instance, which is taken down whole: nobody is there to read it.</summary>
/// <param name="answerBytesMax">A longer answer is not kept.</param>
/// <param name="givenUp">Nobody wants the answer any more: a run that can be asked to end is asked to.</param>
internal sealed class QueuedExchange(LeasedItem leased, int answerBytesMax, PinnedSteps steps, CancellationToken givenUp) : WholeAnswerExchange
{
    private static readonly string[] Dropped =
    [
        HeaderNames.Connection, HeaderNames.KeepAlive, HeaderNames.TransferEncoding, HeaderNames.Upgrade, HeaderNames.Trailer, HeaderNames.TE, HeaderNames.ContentLength, HeaderNames.Date,
        HeaderNames.Server, DormouseHeaders.RunMicroseconds, DormouseHeaders.CpuMicroseconds, DormouseHeaders.Batch, .. AnswerHeaders.ServersOwn,
    ];

    private ReadOnlyMemory<byte> _body;

    /// <summary>Set when an attempt was answered.</summary>
    public StoredAnswer? Answer { get; private set; }

    public bool IsTooLong { get; private set; }

    public override long BodyBytes => leased.Body.Length;

    public override bool CanRepeat => true;

    public override async ValueTask<AttemptEnd> SendAsync(InvocationRun run, CancellationToken deadline)
    {
        await steps.ReachedAsync(QueueStep.Started);
        await using var cancellation = RunCancellation.For(run, givenUp, deadline);
        return await base.SendAsync(run, deadline);
    }

    protected override HttpRequestMessage Compose(InvocationRun run)
    {
        var request = leased.Item.Request;
        var message = new StoredRequest(new HttpMethod(request.Method), request.Target, request.Headers).Compose(run.Invocation, leased.Body.Length, new ReadOnlyMemoryContent(leased.Body));
        // A program that must not do a thing twice knows by these whether it did it.
        message.Headers.TryAddWithoutValidation(DormouseHeaders.InvocationId, leased.Item.Id.ToString());
        message.Headers.TryAddWithoutValidation(DormouseHeaders.Attempt, leased.Item.Attempts.ToString(System.Globalization.CultureInfo.InvariantCulture));
        return message;
    }

    protected override async ValueTask ReadBodyAsync(InvocationRun run, HttpResponseMessage response, CancellationToken deadline)
    {
        if (await InstanceProblem.ReadAsync(response, run.Invocation, new InstanceTarget(leased.Item.Request.Target is null ? null : "/"), deadline) is { } problem)
        {
            _body = problem;
            return;
        }

        var bytes = await ReadUpToAsync(response, answerBytesMax, deadline);
        (IsTooLong, _body) = (bytes is null, bytes ?? default);
    }

    protected override void Keep(InvocationRun run, HttpResponseMessage response) => Answer = new StoredAnswer((int)response.StatusCode, Headers(run, response), _body.ToArray());

    private static ImmutableArray<KeyValuePair<string, string>> Headers(InvocationRun run, HttpResponseMessage response)
    {
        var invocation = run.Invocation;
        return
        [
            .. response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated)
                .Where(h => !Dropped.Contains(h.Key, StringComparer.OrdinalIgnoreCase))
                .Select(h => KeyValuePair.Create(h.Key, h.Value.ToString())),
            KeyValuePair.Create(DormouseHeaders.Start, StartText.Of(invocation.Grant)),
            KeyValuePair.Create("Server-Timing", AnswerHeaders.Timing(invocation, invocation.Receipt)),
        ];
    }
}
