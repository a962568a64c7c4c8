using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Server.Queues;

namespace Dormouse.Server.Triggers;

/// <summary>The invocation of a schedule's time before: whether it still runs, and how to end it.</summary>
internal sealed class PreviousRun(IQueueStore queue, QueueLoop loop, TenantId tenant, TimeProvider time)
{
    public async Task<bool> IsLiveAsync(InvocationId id, CancellationToken cancellationToken) =>
        await queue.FindAsync(tenant, id, cancellationToken) is { } item && item.State.IsLive();

    public async Task CancelAsync(InvocationId id, CancellationToken cancellationToken)
    {
        await queue.CancelAsync(tenant, id, time.GetUtcNow(), cancellationToken);
        loop.Cancelled(id);
    }
}
