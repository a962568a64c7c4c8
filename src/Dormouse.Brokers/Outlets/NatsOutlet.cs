using System.Collections.Immutable;
using Dormouse.Core.Destinations;
using NATS.Client.Core;
using NATS.Client.JetStream;

namespace Dormouse.Brokers.Outlets;

/// <summary>Subjects of NATS that a JetStream stream takes; the stream knows a message by its id.</summary>
internal sealed class NatsOutlet : IOutlet
{
    public ImmutableArray<string> Schemes => ["nats", "tls"];

    public string? Fault(Uri url) => OutletUrl.Path(url) is var subject && (subject.Length == 0 || subject.AsSpan().IndexOfAny(" *>/") >= 0)
        ? "its path must be a subject without wildcards, as in nats://broker:4222/outcomes.digits"
        : OutletUrl.Fault(url);

    public async Task SendAsync(Uri url, OutletMessage message, CancellationToken cancellationToken)
    {
        await using var connection = new NatsConnection(NatsSource.Options(url, OutletUrl.Password(url)));
        await connection.ConnectAsync().AsTask().WaitAsync(cancellationToken);
        var headers = new NatsHeaders { ["Content-Type"] = message.ContentType };
        foreach (var (name, value) in message.Attributes)
        {
            headers["ce-" + name] = value;
        }

        var taken = await new NatsJSContext(connection).PublishAsync(
            OutletUrl.Path(url), message.Body, opts: new NatsJSPubOpts { MsgId = message.Id }, headers: headers, cancellationToken: cancellationToken);
        if (taken.Error is { } error)
        {
            throw new IOException($"no stream takes it: {error.Description}");
        }
    }
}
