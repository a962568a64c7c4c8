using System.Buffers;
using System.Collections.Immutable;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Server.Gateway;
using Microsoft.Net.Http.Headers;

namespace Dormouse.Server.Queues;

/// <summary>A queued invocation and the answer of its instance, which is taken down whole: nobody is there to read it.</summary>
/// <param name="answerBytesMax">A longer answer is not kept.</param>
/// <param name="givenUp">Nobody wants the answer any more: a run that can be asked to end is asked to.</param>
internal sealed class QueuedExchange(LeasedItem leased, int answerBytesMax, PinnedSteps steps, CancellationToken givenUp) : Exchange
{
    private static readonly string[] Dropped =
    [
        HeaderNames.Connection, HeaderNames.KeepAlive, HeaderNames.TransferEncoding, HeaderNames.Upgrade, HeaderNames.Trailer, HeaderNames.TE, HeaderNames.ContentLength, HeaderNames.Date,
        HeaderNames.Server, DormouseHeaders.RunMicroseconds, DormouseHeaders.CpuMicroseconds, DormouseHeaders.Batch, .. AnswerHeaders.ServersOwn,
    ];

    /// <summary>Set when an attempt was answered.</summary>
    public StoredAnswer? Answer { get; private set; }

    public bool IsTooLong { get; private set; }

    public override long BodyBytes => leased.Body.Length;

    public override bool CanRepeat => true;

    public override async ValueTask<AttemptEnd> SendAsync(InvocationRun run, CancellationToken deadline)
    {
        await steps.ReachedAsync(QueueStep.Started);
        var request = leased.Item.Request;
        using var message = new StoredRequest(new HttpMethod(request.Method), request.Target, request.Headers).Compose(run.Invocation, leased.Body.Length, new ReadOnlyMemoryContent(leased.Body));
        // A program that must not do a thing twice knows by these whether it did it.
        message.Headers.TryAddWithoutValidation(DormouseHeaders.InvocationId, leased.Item.Id.ToString());
        message.Headers.TryAddWithoutValidation(DormouseHeaders.Attempt, leased.Item.Attempts.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await using var cancellation = RunCancellation.For(run, givenUp, deadline);
        HttpResponseMessage response;
        try
        {
            response = await run.Invoker.SendAsync(message, deadline);
        }
        catch (Exception fault) when (fault is HttpRequestException or OperationCanceledException)
        {
            return InstanceConnections.IsUnreachable(fault) ? AttemptEnd.NotTaken : AttemptEnd.Broken;
        }

        using (response)
        {
            return await ReadAsync(run, response, deadline);
        }
    }

    private async ValueTask<AttemptEnd> ReadAsync(InvocationRun run, HttpResponseMessage response, CancellationToken deadline)
    {
        var status = (int)response.StatusCode;
        var figures = RunFigures.Of(response);
        if (figures is not null)
        {
            run.RunEnded(status, response.Content.Headers.ContentLength ?? 0, figures);
        }

        byte[] body;
        try
        {
            body = await InstanceProblem.ReadAsync(response, run.Invocation, new InstanceTarget(leased.Item.Request.Target is null ? null : "/"), deadline) ?? await ReadBodyAsync(response, deadline);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException or OperationCanceledException)
        {
            return AttemptEnd.BrokenInAnswer;
        }

        if (figures is not null)
        {
            run.AnswerRead();
        }
        else
        {
            run.AnswerEnded(status);
        }

        Answer = new StoredAnswer(status, Headers(run, response), body);
        return AttemptEnd.Answered;
    }

    /// <summary>Read to its end also when it is too long, so that the instance is done with it.</summary>
    private async Task<byte[]> ReadBodyAsync(HttpResponseMessage response, CancellationToken deadline)
    {
        var kept = new ArrayBufferWriter<byte>();
        await using var stream = await response.Content.ReadAsStreamAsync(deadline);
        var buffer = new byte[32 * 1024];
        int count;
        while ((count = await stream.ReadAsync(buffer, deadline)) > 0)
        {
            IsTooLong |= kept.WrittenCount + count > answerBytesMax;
            if (!IsTooLong)
            {
                kept.Write(buffer.AsSpan(0, count));
            }
        }

        return IsTooLong ? [] : kept.WrittenSpan.ToArray();
    }

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
