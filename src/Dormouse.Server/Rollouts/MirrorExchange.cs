using Dormouse.Protocol.Inference;
using Dormouse.Server.Gateway;

namespace Dormouse.Server.Rollouts;

/// <summary>A copy of an invocation: sent to an instance like its original, and its answer kept to be compared. It is never tried again.</summary>
internal sealed class MirrorExchange(StoredRequest original, DetachedBody body) : WholeAnswerExchange
{
    private ReadOnlyMemory<byte> _answer;

    /// <summary>Status of the copy's answer; 0 when it got none.</summary>
    public int Status { get; private set; }

    /// <summary>The answer had more than <see cref="MirrorCapture.AnswerBytesMax"/>.</summary>
    public bool IsTooLong { get; private set; }

    public ComparedAnswer Answer { get; private set; }

    public override long BodyBytes => body.Length;

    public override bool CanRepeat => false;

    protected override HttpRequestMessage Compose(InvocationRun run) => original.Compose(run.Invocation, body.Length, body.Content());

    protected override async ValueTask ReadBodyAsync(InvocationRun run, HttpResponseMessage response, CancellationToken deadline)
    {
        var bytes = await ReadUpToAsync(response, MirrorCapture.AnswerBytesMax, deadline);
        (IsTooLong, _answer) = (bytes is null, bytes ?? default);
    }

    protected override void Keep(InvocationRun run, HttpResponseMessage response)
    {
        Status = (int)response.StatusCode;
        Answer = new ComparedAnswer(response.Content.Headers.ContentType?.ToString(), MirrorAnswers.JsonLength(response), _answer);
    }
}
