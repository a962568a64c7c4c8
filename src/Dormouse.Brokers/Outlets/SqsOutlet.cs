using System.Collections.Immutable;
using System.Text;
using Amazon.SQS;
using Amazon.SQS.Model;
using Dormouse.Brokers.Aws;
using Dormouse.Core.Destinations;

namespace Dormouse.Brokers.Outlets;

/// <summary>Queues that speak SQS. An ordered queue knows a message by its id for five minutes; its group is the endpoint. Bytes that are no text are sent in base64.</summary>
internal sealed class SqsOutlet : IOutlet
{
    private const string Prefix = "sqs+";

    public ImmutableArray<string> Schemes => [Prefix + "https", Prefix + "http"];

    public string? Fault(Uri url) => OutletUrl.Path(url).Length == 0 ? "its path must be that of a queue, as in sqs+https://sqs.eu-central-1.amazonaws.com/123456789012/outcomes"
        : OutletUrl.Fault(url, "region", "access_key") ?? AwsAccess.Fault(OutletUrl.Query(url))?.TrimEnd('.');

    public async Task SendAsync(Uri url, OutletMessage message, CancellationToken cancellationToken)
    {
        var queue = url.GetLeftPart(UriPartial.Path)[Prefix.Length..];
        var access = AwsAccess.Of(OutletUrl.Query(url), "SQS");
        var config = new AmazonSQSConfig { ServiceURL = new Uri(queue).GetLeftPart(UriPartial.Authority), AuthenticationRegion = access.Region, MaxErrorRetry = 0, HttpClientFactory = new AwsHttp() };
        using var client = new AmazonSQSClient(access.Credentials, config);
        var isText = System.Text.Unicode.Utf8.IsValid(message.Body.Span);
        var isOrdered = queue.EndsWith(".fifo", StringComparison.Ordinal);
        var request = new SendMessageRequest(queue, isText ? Encoding.UTF8.GetString(message.Body.Span) : Convert.ToBase64String(message.Body.Span))
        {
            MessageGroupId = isOrdered ? message.Group : null,
            MessageDeduplicationId = isOrdered ? message.Id : null,
            MessageAttributes = new() { ["Content-Type"] = Text(message.ContentType), ["delivery-id"] = Text(message.Id) },
        };
        if (!isText)
        {
            request.MessageAttributes["Content-Transfer-Encoding"] = Text("base64");
        }

        foreach (var (name, value) in message.Attributes)
        {
            request.MessageAttributes["ce-" + name] = Text(value);
        }

        await client.SendMessageAsync(request, cancellationToken);
    }

    private static MessageAttributeValue Text(string value) => new() { DataType = "String", StringValue = value };
}
