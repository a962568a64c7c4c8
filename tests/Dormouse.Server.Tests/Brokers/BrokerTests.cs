using System.Text;
using System.Text.Json;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Server.Triggers;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>Triggers on real brokers, each killed and started again in the middle.</summary>
public sealed class BrokerTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Entries_of_a_redis_stream_are_queued_once_also_when_redis_is_killed_in_the_middle() => await RunAsync("redis", new RedisProcess());

    [Fact]
    public async Task Messages_of_a_nats_stream_are_queued_once_also_when_nats_is_killed_in_the_middle() => await RunAsync("nats", new NatsProcess());

    [Fact]
    public async Task Messages_of_a_rabbitmq_queue_are_queued_once_also_when_rabbitmq_is_killed_in_the_middle() => await RunAsync("rabbitmq", new RabbitProcess());

    [Fact]
    public async Task Messages_of_an_sqs_queue_are_queued_once_also_when_it_is_killed_in_the_middle() => await RunAsync("sqs", new SqsProcess());

    [Fact]
    public async Task Rows_of_a_table_are_queued_once_also_when_postgresql_is_killed_in_the_middle() => await RunAsync("postgres", new PostgresQueueProcess());

    [Fact]
    public async Task Rows_of_a_table_may_be_marked_instead() => await RunAsync("postgres", new PostgresQueueProcess("mark"));

    [Fact]
    public async Task What_a_redis_consumer_had_and_did_not_acknowledge_comes_again_to_the_next_one_and_is_known()
    {
        await using var broker = new RedisProcess();
        await broker.StartAsync();
        await broker.SendAsync("1");
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("orders", GatewayHost.Program());
        await PutAsync(host, "redis", broker.Source);
        await AdvanceAsync(host, () => seen.Count == 1);
        await AdvanceAsync(host, async () => await broker.LeftAsync() == 0);

        // As if the server had been killed between the queue and the acknowledgement: the entry is the consumer's, and not acknowledged.
        var trigger = (await host.Storage.Triggers.FindAsync(Core.Endpoints.TenantId.Default, "t", Cancellation))!;
        await using (var connection = await StackExchange.Redis.ConnectionMultiplexer.ConnectAsync(new Uri(broker.Source["url"]).Authority))
        {
            var database = connection.GetDatabase();
            await database.ExecuteAsync("XGROUP", "SETID", "orders", "dormouse", "0");
            Assert.Single(await database.StreamReadGroupAsync("orders", "dormouse", "dormouse-" + trigger.Id, ">", 10));
        }

        await host.Service<TriggerLoop>().ChangedAsync(trigger);
        await AdvanceAsync(host, async () => await broker.LeftAsync() == 0);

        Assert.Single(seen);
    }

    private static async Task RunAsync(string kind, BrokerProcess broker)
    {
        await using var owned = broker;
        await broker.StartAsync();
        await broker.PrepareAsync();
        await broker.SendAsync("1", "2", "3");
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("orders", GatewayHost.Program());

        await PutAsync(host, kind, broker.Source);
        await AdvanceAsync(host, () => seen.Count == 3);
        await broker.KillAsync();
        await AdvanceAsync(host, async () => await StateAsync(host) == "failing");
        await broker.StartAsync();
        await broker.SendAsync("4", "5", "6");
        await AdvanceAsync(host, () => seen.Count == 6);
        await AdvanceAsync(host, async () => await broker.LeftAsync() == 0 && await StateAsync(host) == "active");

        Assert.Equal(["1", "2", "3", "4", "5", "6"], seen.Order(StringComparer.Ordinal));
    }

    internal static async Task<GatewayHost> StartAsync(Dictionary<string, string>? settings = null)
    {
        var host = await GatewayHost.StartAsync(settings, storesQueue: true);
        host.Service<QueueLoop>().Start();
        host.Service<TriggerLoop>().Start();
        return host;
    }

    internal static List<string> Record(GatewayHost host)
    {
        var seen = new List<string>();
        host.Driver.Play = run =>
        {
            lock (seen)
            {
                seen.Add(Encoding.UTF8.GetString(run.Body));
            }

            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", "done"u8.ToArray());
        };
        return seen;
    }

    internal static async Task PutAsync(GatewayHost host, string kind, Dictionary<string, string> source, int batchSize = 1, string batchWindow = "0s")
    {
        using var content = new StringContent(JsonSerializer.Serialize(new { kind, endpoint = "orders", source, batch_size = batchSize, batch_window = batchWindow }));
        using var response = await host.Client.PutAsync("/api/v1/triggers/t", content, Cancellation);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancellation));
    }

    internal static async Task<string?> StateAsync(GatewayHost host)
    {
        using var response = await host.Client.GetAsync("/api/v1/triggers/t", Cancellation);
        return (await response.JsonAsync()).GetProperty("state").GetString();
    }

    internal static Task AdvanceAsync(GatewayHost host, Func<bool> isSo) => AdvanceAsync(host, () => Task.FromResult(isSo()));

    /// <summary>Lets time go on until it is so; brokers go by a clock of their own.</summary>
    internal static async Task AdvanceAsync(GatewayHost host, Func<Task<bool>> isSo)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Conditions.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await isSo())
        {
            if (limit.IsCancellationRequested)
            {
                using var response = await host.Client.GetAsync("/api/v1/triggers", Cancellation);
                Assert.Fail($"It did not come about within {Conditions.Patience.TotalSeconds} s. Triggers: {await response.Content.ReadAsStringAsync(Cancellation)}");
            }

            host.Time.Advance(TimeSpan.FromMilliseconds(500));
            await tick.WaitForNextTickAsync(Cancellation);
        }
    }
}
