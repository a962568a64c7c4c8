using System.IO.Pipelines;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Gateway;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Dormouse.Server.Grpc;

/// <summary>What one call may send.</summary>
/// <param name="MessageBytesMax">Largest message with its prefix.</param>
/// <param name="HasKey">Its caller has shown a valid key.</param>
/// <param name="MayPause">It is a stream, whose caller may take any time between two messages.</param>
internal readonly record struct MessageRules(long MessageBytesMax, bool HasKey, bool MayPause);

/// <summary>
/// Stands between the web server and the gRPC framework, which keeps a message in the pipe until it is whole: counts what is kept, refuses a caller who is
/// too slow with the rest of it as <see cref="BodyPace"/> does over HTTP, and ends a message that is too large without waiting for its end.
/// </summary>
internal sealed class MessageReader(PipeReader body, MessageRules rules, MessageMemory memory, TimeProvider time) : PipeReader, IRequestBodyPipeFeature, IDisposable
{
    private readonly BodyPace _pace = new(time);
    private System.Buffers.ReadOnlySequence<byte> _read;
    private long _held;

    PipeReader IRequestBodyPipeFeature.Reader => this;

    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            // The web server ends a read itself when the caller leaves.
            return Hold(_held == 0 && rules.MayPause ? await body.ReadAsync(cancellationToken) : await _pace.ReadAsync(body, CancellationToken.None));
        }
        catch (BadHttpRequestException fault) when (fault.StatusCode == StatusCodes.Status408RequestTimeout)
        {
            throw GrpcProblems.Exception(new Problem(ProblemCode.BodyTooSlow, "The message came more slowly than 240 bytes a second. Send it again over a faster connection."));
        }
        catch (Exception fault) when (fault is OperationCanceledException || (fault is IOException and not BadHttpRequestException))
        {
            // Sooner than the request knows that it is aborted: the framework would take it for a fault of the call.
            throw new RpcException(new Status(StatusCode.Cancelled, "The caller left.", fault));
        }
    }

    public override bool TryRead(out ReadResult result)
    {
        if (!body.TryRead(out result))
        {
            return false;
        }

        Hold(result);
        return true;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        // Taken first: afterwards the sequence points to segments that are used again.
        var taken = _read.Slice(_read.Start, consumed).Length;
        _read = default;
        body.AdvanceTo(consumed, examined);
        GiveBack(Math.Min(taken, _held));
    }

    public override void CancelPendingRead() => body.CancelPendingRead();

    public override void Complete(Exception? exception = null)
    {
        Dispose();
        body.Complete(exception);
    }

    /// <summary>The call has ended, however it did. Idempotent.</summary>
    public void Dispose()
    {
        GiveBack(_held);
        _pace.Dispose();
    }

    private ReadResult Hold(in ReadResult read)
    {
        _read = read.Buffer;
        var came = read.Buffer.Length - _held;
        _pace.Took(came);
        if (read.Buffer.Length > rules.MessageBytesMax)
        {
            throw Refuse(new Problem(
                ProblemCode.BodyTooLarge, $"The message is larger than the {rules.MessageBytesMax} bytes that this call takes. Send less, or let the operator raise server.body_limit."));
        }

        if (!memory.TryTake(came, rules.HasKey))
        {
            throw Refuse(new Problem(
                ProblemCode.ConcurrencyLimitReached, "Messages that are still being sent take all the memory that the server has for them. Try again in a moment, or let the operator look for callers who do not finish theirs."));
        }

        _held += came;
        return read;
    }

    private RpcException Refuse(Problem problem)
    {
        // Left in the middle of a read the web server could not drop what is still to come.
        body.AdvanceTo(_read.End);
        _read = default;
        return GrpcProblems.Exception(problem);
    }

    private void GiveBack(long bytes)
    {
        _held -= bytes;
        memory.GiveBack(bytes, rules.HasKey);
    }
}
