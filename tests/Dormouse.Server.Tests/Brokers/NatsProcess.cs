using System.Text;
using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;

namespace Dormouse.Server.Tests.Brokers;

internal sealed class NatsProcess : BrokerProcess
{
    /// <summary>Longer than the client's own limits of a few seconds, which a busy machine reaches.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public override Dictionary<string, string> Source => new() { ["url"] = $"nats://127.0.0.1:{Port}", ["stream"] = "ORDERS", ["subject"] = "orders.*", ["durable"] = "dormouse" };

    public override async Task PrepareAsync()
    {
        await using var connection = Connect();
        await new NatsJSContext(connection).CreateStreamAsync(new StreamConfig("ORDERS", ["orders.*", "others.*"]), Cancellation);
    }

    public override async Task SendAsync(params string[] bodies)
    {
        await using var connection = Connect();
        var stream = new NatsJSContext(connection);
        foreach (var body in bodies)
        {
            (await stream.PublishAsync("orders.new", Encoding.UTF8.GetBytes(body), cancellationToken: Cancellation)).EnsureSuccess();
        }
    }

    public override async Task<long> LeftAsync()
    {
        await using var connection = Connect();
        var consumer = await new NatsJSContext(connection).GetConsumerAsync("ORDERS", "dormouse", Cancellation);
        return (long)consumer.Info.NumPending + consumer.Info.NumAckPending;
    }

    public override async Task<(string Id, string Body, string Type)[]> TakeAsync()
    {
        await using var connection = Connect();
        var consumer = await new NatsJSContext(connection).CreateOrUpdateConsumerAsync("ORDERS", new ConsumerConfig("test"), Cancellation);
        var taken = new List<(string Id, string Body, string Type)>();
        await foreach (var message in consumer.FetchNoWaitAsync<byte[]>(new NatsJSFetchOpts { MaxMsgs = 10 }, cancellationToken: Cancellation))
        {
            taken.Add((message.Headers!["Nats-Msg-Id"].ToString(), Encoding.UTF8.GetString(message.Data!), message.Headers["ce-type"].ToString())); // An outcome has all of them.
        }

        return [.. taken];
    }

    protected override (string Program, string[] Arguments, Dictionary<string, string> Environment) Command() => ("/usr/sbin/nats-server", ["-a", "127.0.0.1", "-p", $"{Port}", "-js", "-sd", Folder], []);

    private NatsConnection Connect() => new(new NatsOpts
    {
        Url = $"nats://127.0.0.1:{Port}",
        ConnectTimeout = Patience,
        CommandTimeout = Patience,
        RequestTimeout = Patience,
    });
}
