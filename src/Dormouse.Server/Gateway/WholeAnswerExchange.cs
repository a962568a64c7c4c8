using System.Buffers;

namespace Dormouse.Server.Gateway;

/// <summary>An exchange that takes the answer of an instance down whole: nobody reads it as it comes.</summary>
internal abstract class WholeAnswerExchange : Exchange
{
    public override async ValueTask<AttemptEnd> SendAsync(InvocationRun run, CancellationToken deadline)
    {
        using var message = Compose(run);
        HttpResponseMessage response;
        try
        {
            response = await run.Invoker.SendAsync(message, deadline);
        }
        catch (Exception fault) when (fault is HttpRequestException or OperationCanceledException)
        {
            // The runner asks why: deadline, crash, or a neighbour's end.
            return InstanceConnections.IsUnreachable(fault) ? AttemptEnd.NotTaken : AttemptEnd.Broken;
        }

        using (response)
        {
            return await ReadAsync(run, response, deadline);
        }
    }

    protected abstract HttpRequestMessage Compose(InvocationRun run);

    /// <summary>Reads the answer to its end, so that the instance is done with it.</summary>
    protected abstract ValueTask ReadBodyAsync(InvocationRun run, HttpResponseMessage response, CancellationToken deadline);

    /// <summary>The answer is read, and its receipt is written.</summary>
    protected abstract void Keep(InvocationRun run, HttpResponseMessage response);

    /// <summary>The body, read to its end also when it is longer; null = it is longer.</summary>
    protected static async Task<ReadOnlyMemory<byte>?> ReadUpToAsync(HttpResponseMessage response, int bytesMax, CancellationToken deadline)
    {
        var kept = new ArrayBufferWriter<byte>();
        await using var stream = await response.Content.ReadAsStreamAsync(deadline);
        var buffer = new byte[32 * 1024];
        var isTooLong = false;
        int count;
        while ((count = await stream.ReadAsync(buffer, deadline)) > 0)
        {
            isTooLong |= kept.WrittenCount + count > bytesMax;
            if (!isTooLong)
            {
                kept.Write(buffer.AsSpan(0, count));
            }
        }

        return isTooLong ? (ReadOnlyMemory<byte>?)null : kept.WrittenMemory;
    }

    private async ValueTask<AttemptEnd> ReadAsync(InvocationRun run, HttpResponseMessage response, CancellationToken deadline)
    {
        var status = (int)response.StatusCode;
        var figures = RunFigures.Of(response);
        if (figures is not null)
        {
            run.RunEnded(status, response.Content.Headers.ContentLength ?? 0, figures);
        }

        try
        {
            await ReadBodyAsync(run, response, deadline);
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

        Keep(run, response);
        return AttemptEnd.Answered;
    }
}
