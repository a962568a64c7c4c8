using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>Among a thousand messages one that its endpoint refuses, and one that can never be queued: the others run, each once.</summary>
public sealed class PoisonTests
{
    private const int Count = 1_000;

    private const string Poison = "500";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_redis_stream_goes_on() => Assert.Equal(0, await RunAsync("redis", new RedisProcess()));

    [Fact]
    public async Task A_nats_stream_goes_on() => Assert.Equal(0, await RunAsync("nats", new NatsProcess()));

    [Fact]
    public async Task A_table_goes_on() => Assert.Equal(0, await RunAsync("postgres", new PostgresQueueProcess()));

    [Fact]
    public async Task A_rabbitmq_queue_goes_on_and_its_dead_letter_exchange_gets_what_cannot_be_queued()
    {
        var broker = new RabbitProcess(hasDeadLetters: true);
        Assert.Equal(0, await RunAsync("rabbitmq", broker, async () => Assert.Equal(1u, await broker.DeadAsync())));
    }

    /// <summary>There it stays, for the queue's redrive policy.</summary>
    [Fact]
    public async Task An_sqs_queue_goes_on() => Assert.Equal(1, await RunAsync("sqs", new SqsProcess()));

    /// <param name="check">What else is to be so, while the broker is there.</param>
    /// <returns>Messages that are left.</returns>
    private static async Task<long> RunAsync(string kind, BrokerProcess broker, Func<Task>? check = null)
    {
        await using var owned = broker;
        await broker.StartAsync();
        await broker.PrepareAsync();
        await broker.SendAsync([.. Enumerable.Range(0, Count).Select(i => i == 700 ? $"\"{new string('x', 2_000)}\"" : $"{i}")]);
        await using var host = await BrokerTests.StartAsync(new() { ["DORMOUSE_QUEUES__BODY_LIMIT"] = "1KiB" });
        var seen = new List<string>();
        host.Driver.Play = run =>
        {
            var body = Encoding.UTF8.GetString(run.Body);
            lock (seen)
            {
                seen.Add(body);
            }

            return FakeInstance.AnswerAsync(run.Context, body == Poison ? 400 : 200, "text/plain", "done"u8.ToArray());
        };
        host.Add("orders", GatewayHost.Program());

        await BrokerTests.PutAsync(host, kind, broker.Source);
        await BrokerTests.AdvanceAsync(host, () => seen.Count >= Count - 1);
        var stays = kind == "sqs" ? 1 : 0;
        await BrokerTests.AdvanceAsync(host, async () => await broker.LeftAsync() == stays);
        await BrokerTests.AdvanceAsync(host, async () => (await ListAsync(host, QueueState.Succeeded)).Length == Count - 2);

        Assert.Equal(Enumerable.Range(0, Count).Where(i => i != 700).Select(i => $"{i}").Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
        Assert.Single(await ListAsync(host, QueueState.Failed));
        if (check is not null)
        {
            await check();
        }

        return await broker.LeftAsync();
    }

    private static async Task<System.Collections.Immutable.ImmutableArray<ListedItem>> ListAsync(GatewayHost host, QueueState state) =>
        await host.Storage.Queue.ListAsync(new QueueFilter(TenantId.Default, null, state, null, Count), Cancellation);
}
