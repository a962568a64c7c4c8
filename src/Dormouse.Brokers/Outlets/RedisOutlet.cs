using System.Collections.Immutable;
using Dormouse.Core.Destinations;
using StackExchange.Redis;

namespace Dormouse.Brokers.Outlets;

/// <summary>Streams of Redis. Redis knows no ids of messages: the field <c>id</c> has it.</summary>
internal sealed class RedisOutlet : IOutlet
{
    public ImmutableArray<string> Schemes => ["redis", "rediss"];

    public string? Fault(Uri url) => OutletUrl.Path(url).Length == 0 ? "its path must be the key of a stream, as in redis://broker:6379/outcomes" : OutletUrl.Fault(url);

    public async Task SendAsync(Uri url, OutletMessage message, CancellationToken cancellationToken)
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync(RedisSource.Options(url, OutletUrl.Password(url))).WaitAsync(cancellationToken);
        NameValueEntry[] fields =
        [
            new("id", message.Id), new("content_type", message.ContentType), new("data", message.Body), .. message.Attributes.Select(a => new NameValueEntry("ce-" + a.Key, a.Value)),
        ];
        await connection.GetDatabase().StreamAddAsync(OutletUrl.Path(url), fields).WaitAsync(cancellationToken);
    }
}
