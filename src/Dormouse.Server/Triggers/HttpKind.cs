using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Triggers;

/// <summary>CloudEvents, or notifications of a bucket, that are posted to <c>/events/{trigger}</c>.</summary>
internal sealed class HttpKind : IEventSourceKind
{
    public const string KindName = "http";

    public string Name => KindName;

    public ImmutableArray<SourceKey> Keys { get; } =
    [
        new("events", false, "cloudevents, or s3: what a bucket posts when objects are created. Default: cloudevents"),
        new("form", false, "with events=s3, event: {\"bucket\",\"key\",\"size\",\"etag\"}; records: as AWS Lambda functions get it. Default: event"),
    ];

    public bool IsPulled => false;

    public string? Fault(Trigger trigger)
    {
        var (events, form) = (trigger.Source.GetValueOrDefault("events", "cloudevents"), trigger.Source.GetValueOrDefault("form"));
        return trigger.BatchSize > 1 ? "'batch_size' must be 1 with events over HTTP: each is an invocation of its own, whose sender is told."
            : events is not ("cloudevents" or "s3") ? $"'events' is '{ShownText.Of(events)}'; allowed is cloudevents or s3."
            : form is not (null or "event" or "records") ? $"'form' is '{ShownText.Of(form)}'; allowed is event or records."
            : form is not null && events != "s3" ? "'form' means nothing without 'events=s3'."
            : form == "records" && trigger.Input is not null ? "'form' is records, and 'input' makes another input; leave one of them out."
            : null;
    }

    /// <summary>Reads what was posted to the trigger; null with a sentence when it is not what the trigger takes.</summary>
    public static ImmutableArray<SourceEvent>? Read(Trigger trigger, HttpRequest request, ReadOnlyMemory<byte> body, out string? fault)
    {
        if (trigger.Source.GetValueOrDefault("events") != "s3")
        {
            return CloudEventsReader.Read(request, body, out fault);
        }

        fault = "The body is no notification of a bucket: a JSON object with 'Records' as S3 and MinIO send it.";
        return ObjectNotification.Read(body) is { } objects ? [.. objects.Select(o => trigger.Source.GetValueOrDefault("form") == "records" ? o.RecordEvent() : o.Event())] : null;
    }

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken) => throw new NotSupportedException("Events over HTTP are pushed.");
}
