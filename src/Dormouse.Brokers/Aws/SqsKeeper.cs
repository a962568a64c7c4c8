using System.Collections.Immutable;
using Amazon.SQS;
using Amazon.SQS.Model;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Aws;

/// <summary>
/// Beside the receiving: extends the visibility of what we have, and settles messages whose runs have ended. What failed is let go: it comes again when its visibility ends, and the
/// queue's redrive policy counts it.
/// </summary>
/// <param name="readsFailures">The endpoint is a function that says by AWS's rules which messages failed.</param>
internal sealed class SqsKeeper(IAmazonSQS client, string queue, bool readsFailures, TimeSpan visibility, SqsHeld held, TenantId tenant, IFedInvocations invocations, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Most messages of one request.</summary>
    public const int RequestMax = 10;

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stopping = new();
    private Task _keeping = Task.CompletedTask;
    private Exception? _fault;

    /// <summary>When the visibility of a message that is received now is to be extended: long before it ends.</summary>
    public DateTimeOffset ExtendAt => time.GetUtcNow() + (visibility / 3);

    public void Start() => _keeping = KeepAsync(_stopping.Token);

    /// <exception cref="IOException">It could not go on.</exception>
    public void ThrowFault()
    {
        if (Volatile.Read(ref _fault) is { } fault)
        {
            throw new IOException("messages of the queue cannot be extended or settled: " + fault.Message, fault);
        }
    }

    public async Task DeleteAsync(ImmutableArray<HeldMessage> done, CancellationToken cancellationToken)
    {
        foreach (var some in done.Chunk(RequestMax))
        {
            var answer = await client.DeleteMessageBatchAsync(queue, [.. some.Select((m, index) => new DeleteMessageBatchRequestEntry($"m{index}", m.Receipt))], cancellationToken);
            if (answer.Failed is [var failed, ..])
            {
                throw new IOException($"the queue does not delete a message: {failed.Code} {failed.Message}");
            }
        }

        held.Remove(done.Select(m => m.Id));
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _keeping;
        _stopping.Dispose();
    }

    private async Task KeepAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        try
        {
            while (true)
            {
                await Task.Delay(LookInterval, time, cancellationToken);
                await ExtendAsync(cancellationToken);
                foreach (var run in held.Running())
                {
                    await SettleAsync(run.Key, [.. run], cancellationToken);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The source is closed.
        }
        catch (Exception e)
        {
            // The top of the loop: whoever receives next is told, and opens the source anew.
            Volatile.Write(ref _fault, e);
        }
    }

    /// <summary>What the queue does not extend comes again.</summary>
    private async Task ExtendAsync(CancellationToken cancellationToken)
    {
        foreach (var some in held.TakeForExtension(time.GetUtcNow(), ExtendAt).Chunk(RequestMax))
        {
            await client.ChangeMessageVisibilityBatchAsync(
                queue, [.. some.Select((m, index) => new ChangeMessageVisibilityBatchRequestEntry($"m{index}", m.Receipt) { VisibilityTimeout = (int)visibility.TotalSeconds })], cancellationToken);
        }
    }

    private async Task SettleAsync(InvocationId run, ImmutableArray<HeldMessage> messages, CancellationToken cancellationToken)
    {
        var ids = messages.Select(m => m.Id).ToImmutableArray();
        ImmutableArray<string> failed;
        switch (await invocations.EndOfAsync(tenant, run, cancellationToken))
        {
            case FedEnd.Live:
                return;
            case FedEnd.Succeeded success:
                failed = readsFailures ? PartialBatch.Failures(success.Answer, ids, isOrdered: queue.EndsWith(".fifo", StringComparison.Ordinal)) : [];
                break;
            case FedEnd.Cancelled:
                failed = [];
                break;
            default:
                failed = ids;
                break;
        }

        held.Remove(failed);
        await DeleteAsync(messages.RemoveAll(m => failed.Contains(m.Id)), cancellationToken);
    }
}
