using System.Buffers;
using Dormouse.Protocol.Inference;
using Dormouse.Server.Gateway;

namespace Dormouse.Server.Rollouts;

/// <summary>A copy of an invocation: sent to an instance like its original, and its answer kept to be compared. It is never tried again.</summary>
internal sealed class MirrorExchange(StoredRequest original, DetachedBody body) : Exchange
{
    /// <summary>Status of the copy's answer; 0 when it got none.</summary>
    public int Status { get; private set; }

    /// <summary>The answer had more than <see cref="MirrorCapture.AnswerBytesMax"/>.</summary>
    public bool IsTooLong { get; private set; }

    public ComparedAnswer Answer { get; private set; }

    public override long BodyBytes => body.Length;

    public override bool CanRepeat => false;

    public override async ValueTask<AttemptEnd> SendAsync(InvocationRun run, CancellationToken deadline)
    {
        using var message = original.Compose(run.Invocation, body.Length, body.Content());
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
        var isMeasured = false;
        if (RunFigures.Of(response) is { } figures)
        {
            isMeasured = true;
            run.RunEnded(status, response.Content.Headers.ContentLength ?? 0, figures);
        }

        var kept = new ArrayBufferWriter<byte>();
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync(deadline);
            var buffer = new byte[16 * 1024];
            int count;
            while ((count = await stream.ReadAsync(buffer, deadline)) > 0)
            {
                IsTooLong |= kept.WrittenCount + count > MirrorCapture.AnswerBytesMax;
                if (!IsTooLong)
                {
                    kept.Write(buffer.AsSpan(0, count));
                }
            }
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException or OperationCanceledException)
        {
            return AttemptEnd.BrokenInAnswer;
        }

        if (isMeasured)
        {
            run.AnswerRead();
        }
        else
        {
            run.AnswerEnded(status);
        }

        Status = status;
        Answer = new ComparedAnswer(response.Content.Headers.ContentType?.ToString(), MirrorAnswers.JsonLength(response), kept.WrittenMemory);
        return AttemptEnd.Answered;
    }
}
