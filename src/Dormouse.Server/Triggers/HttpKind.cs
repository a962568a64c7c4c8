using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Protocol;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Triggers;

/// <summary>CloudEvents, notifications of a bucket, or anything else that is posted to <c>/events/{trigger}</c>.</summary>
internal sealed class HttpKind : IEventSourceKind
{
    public const string KindName = "http";

    private const string CloudEvents = "cloudevents";

    private const string Objects = "s3";

    private const string Anything = "any";

    private const int IdLengthMax = 256;

    /// <summary>What senders tell a request apart by that they send again; the first that is there counts.</summary>
    private static readonly ImmutableArray<string> IdHeaders = [DormouseHeaders.IdempotencyKey, "webhook-id", "X-GitHub-Delivery"];

    public string Name => KindName;

    public ImmutableArray<SourceKey> Keys { get; } =
    [
        new("events", false, "cloudevents; s3: what a bucket posts when objects are created; any: every body, as it is. Default: cloudevents"),
        new("form", false, "with events=s3, event: {\"bucket\",\"key\",\"size\",\"etag\"}; records: as AWS Lambda functions get it. Default: event"),
    ];

    public bool IsPulled => false;

    public string? Fault(Trigger trigger)
    {
        var (events, form) = (trigger.Source.GetValueOrDefault("events", CloudEvents), trigger.Source.GetValueOrDefault("form"));
        return trigger.BatchSize > 1 ? "'batch_size' must be 1 with events over HTTP: each is an invocation of its own, whose sender is told."
            : events is not (CloudEvents or Objects or Anything) ? $"'events' is '{ShownText.Of(events)}'; allowed is cloudevents, s3 or any."
            : form is not (null or "event" or "records") ? $"'form' is '{ShownText.Of(form)}'; allowed is event or records."
            : form is not null && events != Objects ? "'form' means nothing without 'events=s3'."
            : form == "records" && trigger.Input is not null ? "'form' is records, and 'input' makes another input; leave one of them out."
            : null;
    }

    /// <summary>Reads what was posted to the trigger; null with a sentence when it is not what the trigger takes.</summary>
    /// <param name="newId">Of a request that says no id of its own.</param>
    public static ImmutableArray<SourceEvent>? Read(Trigger trigger, HttpRequest request, ReadOnlyMemory<byte> body, Guid newId, DateTimeOffset now, out string? fault)
    {
        switch (trigger.Source.GetValueOrDefault("events"))
        {
            case Anything:
                fault = null;
                return [One(trigger, request, body, newId, now)];
            case Objects:
                fault = "The body is no notification of a bucket: a JSON object with 'Records' as S3 and MinIO send it.";
                return ObjectNotification.Read(body) is { } objects ? [.. objects.Select(o => trigger.Source.GetValueOrDefault("form") == "records" ? o.RecordEvent() : o.Event())] : null;
            default:
                return CloudEventsReader.Read(request, body, out fault);
        }
    }

    /// <summary>A request of whatever kind as one event: its body is the data, its query an attribute.</summary>
    private static SourceEvent One(Trigger trigger, HttpRequest request, ReadOnlyMemory<byte> body, Guid newId, DateTimeOffset now)
    {
        var id = IdHeaders.Select(h => request.Headers[h].ToString()).FirstOrDefault(v => v.Length is > 0 and <= IdLengthMax) ?? newId.ToString("D");
        var query = request.QueryString.Value is { Length: > 1 } text ? text[1..] : null;
        return new SourceEvent(id, "/events/" + trigger.Name, "dormouse.http", now, body, request.ContentType)
        {
            Attributes = query is null ? ImmutableSortedDictionary<string, string>.Empty : ImmutableSortedDictionary<string, string>.Empty.Add("query", query),
        };
    }

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken) => throw new NotSupportedException("Events over HTTP are pushed.");
}
