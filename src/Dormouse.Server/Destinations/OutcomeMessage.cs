using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dormouse.Core.Destinations;
using Dormouse.Core.Events;
using Dormouse.Core.Queues;

namespace Dormouse.Server.Destinations;

/// <summary>An outcome in the form of its destination, whichever way it is sent.</summary>
/// <param name="Attributes">Of a CloudEvent in the binary form, by their plain names; none in another form.</param>
internal sealed record OutcomeMessage(ReadOnlyMemory<byte> Body, string ContentType, ImmutableArray<KeyValuePair<string, string>> Attributes)
{
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="endpoint">Name of the endpoint whose outcome it is.</param>
    /// <param name="document">The outcome as JSON; where an event carries the answer itself, that is sent instead.</param>
    public static OutcomeMessage Of(Delivery delivery, Destination destination, StoredAnswer? answer, string endpoint, byte[] document)
    {
        if (destination.Form == DestinationForm.Webhook)
        {
            return new OutcomeMessage(document, "application/json", []);
        }

        ImmutableArray<KeyValuePair<string, string>> attributes =
        [
            new("specversion", "1.0"), new("id", delivery.Id), new("source", $"/t/{delivery.Tenant}/endpoints/{endpoint}"), new("type", "dormouse." + OutcomeDocument.Type(delivery)),
            new("subject", delivery.Invocation.ToString()), new("time", delivery.CreatedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture)),
        ];
        var binary = delivery.Outcome == QueueState.Succeeded && answer is not null
            ? new OutcomeMessage(answer.Body, OutcomeDocument.ContentType(answer) ?? "application/octet-stream", attributes)
            : new OutcomeMessage(document, "application/json", attributes);
        return destination.Form == DestinationForm.CloudEvents ? binary : binary.Structured(isBatch: destination.Form == DestinationForm.CloudEventsBatch);
    }

    /// <summary>Attributes and data in one JSON object, or in an array of one.</summary>
    private OutcomeMessage Structured(bool isBatch)
    {
        var buffer = new ArrayBufferWriter<byte>(512 + Body.Length);
        using (var json = new Utf8JsonWriter(buffer, Relaxed))
        {
            if (isBatch)
            {
                json.WriteStartArray();
            }

            json.WriteStartObject();
            foreach (var (name, value) in Attributes)
            {
                json.WriteString(name, value);
            }

            if (Body.Length > 0)
            {
                json.WriteString("datacontenttype", ContentType);
                DataJson.Write(json, Body, ContentType, "data", "data_base64");
            }

            json.WriteEndObject();
            if (isBatch)
            {
                json.WriteEndArray();
            }
        }

        return new OutcomeMessage(buffer.WrittenMemory, isBatch ? "application/cloudevents-batch+json" : "application/cloudevents+json", []);
    }
}
