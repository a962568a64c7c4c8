using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Queues;

namespace Dormouse.Server.Triggers;

/// <summary>Looks up in the queue how an invocation ended.</summary>
internal sealed class FedInvocations(IQueueStore queue) : IFedInvocations
{
    public async Task<FedEnd> EndOfAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken) => await queue.FindAsync(tenant, invocation, cancellationToken) switch
    {
        null => new FedEnd.Failed(),
        { State: QueueState.Succeeded } => new FedEnd.Succeeded((await queue.AnswerAsync(tenant, invocation, cancellationToken))?.Body ?? default),
        { State: QueueState.Cancelled } => new FedEnd.Cancelled(),
        var item when item.State.IsLive() => new FedEnd.Live(),
        _ => new FedEnd.Failed(),
    };
}
