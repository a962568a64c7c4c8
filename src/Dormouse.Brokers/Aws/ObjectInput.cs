using Amazon.S3;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Aws;

/// <summary>What an endpoint gets of an object that was created: the event, the record that AWS Lambda functions get, or the object itself.</summary>
/// <param name="client">Null where the object itself is not asked for.</param>
internal sealed class ObjectInput(string form, IAmazonS3? client, int bytesMax) : IDisposable
{
    private const string Event = "event";

    private const string Records = "records";

    private const string Object = "object";

    public static readonly SourceKey Key = new("form", false, "event: {\"bucket\",\"key\",\"size\",\"etag\"}; object: the object's bytes with its content type; records: as AWS Lambda functions get it. Default: event");

    public static ObjectInput Of(Trigger trigger, int bytesMax, string prefix)
    {
        var form = trigger.Value(Key.Name, Event);
        return new ObjectInput(form, form == Object ? S3Client.Of(AwsAccess.Of(trigger.Source, "S3", prefix)) : null, bytesMax);
    }

    public static string? Fault(Trigger trigger) => trigger.Value(Key.Name, Event) switch
    {
        Event or Object => null,
        Records when trigger.Input is null => null,
        Records => "'form' is records, and 'input' makes another input; leave one of them out.",
        var other => $"'form' is '{ShownText.Of(other)}'; allowed is event, object or records.",
    };

    /// <summary>Null when the object is asked for and is gone, or was written anew: that write is an event of its own.</summary>
    public async Task<SourceEvent?> ComposeAsync(ObjectCreated created, CancellationToken cancellationToken)
    {
        if (client is null)
        {
            return form == Records ? created.RecordEvent() : created.Event();
        }

        return await client.ReadAsync(created.Bucket, created.Key, created.ETag, bytesMax, cancellationToken) is var (bytes, type) ? created.Event() with { Data = bytes, ContentType = type } : null;
    }

    public void Dispose() => client?.Dispose();
}
