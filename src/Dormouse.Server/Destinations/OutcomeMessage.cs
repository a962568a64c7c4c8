using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Destinations;
using Dormouse.Core.Queues;

namespace Dormouse.Server.Destinations;

/// <summary>An outcome in the form of its destination, whichever way it is sent.</summary>
/// <param name="Attributes">Of a CloudEvent, by their plain names; none in another form.</param>
internal sealed record OutcomeMessage(ReadOnlyMemory<byte> Body, string ContentType, ImmutableArray<KeyValuePair<string, string>> Attributes)
{
    /// <param name="endpoint">Name of the endpoint whose outcome it is.</param>
    /// <param name="document">The outcome as JSON; where an event carries the answer itself, that is sent instead.</param>
    public static OutcomeMessage Of(Delivery delivery, Destination destination, StoredAnswer? answer, string endpoint, byte[] document)
    {
        if (destination.Form != DestinationForm.CloudEvents)
        {
            return new OutcomeMessage(document, "application/json", []);
        }

        ImmutableArray<KeyValuePair<string, string>> attributes =
        [
            new("specversion", "1.0"), new("id", delivery.Id), new("source", $"/t/{delivery.Tenant}/endpoints/{endpoint}"), new("type", "dormouse." + OutcomeDocument.Type(delivery)),
            new("subject", delivery.Invocation.ToString()), new("time", delivery.CreatedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture)),
        ];
        return delivery.Outcome == QueueState.Succeeded && answer is not null
            ? new OutcomeMessage(answer.Body, OutcomeDocument.ContentType(answer) ?? "application/octet-stream", attributes)
            : new OutcomeMessage(document, "application/json", attributes);
    }
}
