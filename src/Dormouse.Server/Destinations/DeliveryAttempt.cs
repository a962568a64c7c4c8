using Dormouse.Core.Destinations;
using Dormouse.Core.Queues;
using Dormouse.Server.Queues;
using Dormouse.Server.Usage;
using Dormouse.Storage;

namespace Dormouse.Server.Destinations;

/// <summary>One attempt of one delivery: to an address outside, to a broker, or into the queue of another endpoint.</summary>
internal sealed class DeliveryAttempt(IDestinationStore destinations, IQueueStore queue, QueueFeed feed, WebhookSender webhooks, BrokerSender brokers, EndpointNames names)
{
    /// <summary>A full queue is asked again so much later at the earliest.</summary>
    private static readonly TimeSpan FullPause = TimeSpan.FromSeconds(30);

    /// <summary>What reading and storing takes beside the sending.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(10);

    /// <summary>Longer than an attempt takes: when nothing is heard of it by then, its server is gone.</summary>
    public TimeSpan LongestTime => webhooks.Limit + Margin;

    /// <exception cref="StoreUnavailableException">The store is away, here or for the other endpoint: the attempt may be made again.</exception>
    public async Task<DeliveryResult> RunAsync(Delivery delivery, CancellationToken stopping)
    {
        if (await queue.FindAsync(delivery.Tenant, delivery.Invocation, stopping) is not { } item || item.State.IsLive())
        {
            return new DeliveryResult.Impossible("the invocation is gone, or runs anew");
        }

        var answer = await queue.AnswerAsync(delivery.Tenant, delivery.Invocation, stopping);
        var endpoint = await names.FindAsync(delivery.Endpoint, stopping);
        var document = OutcomeDocument.Write(delivery, item, answer, endpoint, QueueViews.Address(item) + "/result");
        if (Destination.EndpointOf(delivery.To) is { } next)
        {
            return await FeedAsync(delivery, item, answer, next, document, stopping);
        }

        return await destinations.FindAsync(delivery.Tenant, delivery.To, stopping) switch
        {
            null => new DeliveryResult.Impossible($"there is no destination '{delivery.To}' any more"),
            { DisabledReason: { } reason } => new DeliveryResult.Impossible($"the destination is disabled: {reason}"),
            { SecretFault: { } fault } => new DeliveryResult.Unanswered(fault),
            { IsSigned: true } web => await webhooks.SendAsync(delivery, web, OutcomeMessage.Of(delivery, web, answer, endpoint, document), stopping),
            var broker => await brokers.SendAsync(delivery, broker, OutcomeMessage.Of(delivery, broker, answer, endpoint, document), endpoint, stopping),
        };
    }

    /// <summary>A success hands its answer on as it is; of a failure the other endpoint gets the document.</summary>
    private async Task<DeliveryResult> FeedAsync(Delivery delivery, QueueItem item, StoredAnswer? answer, string endpoint, byte[] document, CancellationToken stopping)
    {
        if (item.Hops >= DeliveryRule.HopsMax)
        {
            return new DeliveryResult.Impossible($"the outcome came through {item.Hops} endpoints and goes no further: they form a loop");
        }

        var isAnswer = delivery.Outcome == QueueState.Succeeded && answer is not null;
        var outcome = await feed.EnqueueAsync(
            new FedItem(delivery.Tenant, endpoint, isAnswer ? answer!.Body : document, isAnswer ? OutcomeDocument.ContentType(answer) : "application/json", "delivery:" + delivery.Id) // isAnswer says that it is there.
            {
                Hops = item.Hops + 1,
            },
            stopping);
        return outcome switch
        {
            FeedOutcome.Queued => new DeliveryResult.Answered(202, null),
            FeedOutcome.Full full => new DeliveryResult.Unanswered(full.Reason, FullPause),
            FeedOutcome.NoEndpoint gone => new DeliveryResult.Impossible(gone.Reason),
            FeedOutcome.Away { IsStore: true } away => throw new StoreUnavailableException(away.Reason),
            FeedOutcome.Away away => new DeliveryResult.Unanswered(away.Reason),
            FeedOutcome.Refused refused => new DeliveryResult.Impossible(refused.Reason),
            _ => throw new InvalidOperationException("An item is queued, or it is said why not."),
        };
    }
}
