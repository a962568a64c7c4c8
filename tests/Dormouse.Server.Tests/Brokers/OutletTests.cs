using System.Net;
using System.Text;
using System.Text.Json;
using Dormouse.Brokers.Outlets;
using Dormouse.Protocol;
using Dormouse.Server.Destinations;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>Outcomes that are sent to real brokers, each of which is away at the first attempt.</summary>
public sealed class OutletTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_subject_of_nats_gets_an_outcome_once_it_is_back() => await RunAsync(new NatsProcess(), b => $"{b.Source["url"]}/orders.done");

    [Fact]
    public async Task A_stream_of_redis_gets_an_outcome_once_it_is_back() => await RunAsync(new RedisProcess(), b => $"{b.Source["url"]}/orders");

    [Fact]
    public async Task An_exchange_of_rabbitmq_gets_an_outcome_once_it_is_back() => await RunAsync(new RabbitProcess(), b => $"{b.Source["url"]}?exchange=&routing_key=orders");

    [Fact]
    public async Task A_queue_of_sqs_gets_an_outcome_once_it_is_back() => await RunAsync(new SqsProcess(".fifo"), b => $"sqs+{b.Source["queue"]}?access_key=test&password_env={SqsProcess.SecretVariable}");

    [Fact]
    public async Task Only_brokers_that_the_operator_named_are_sent_to()
    {
        await using var host = await StartAsync("nats://127.0.0.1:4222");

        Assert.Contains("destinations.brokers, which has nats://127.0.0.1:4222", await RefusalAsync(host, "nats://127.0.0.2:4222/a"), StringComparison.Ordinal);
        Assert.Contains("destinations.brokers", await RefusalAsync(host, "redis://127.0.0.1:4222/a"), StringComparison.Ordinal);
        Assert.Contains("without wildcards", await RefusalAsync(host, "nats://127.0.0.1/a.*"), StringComparison.Ordinal);
        Assert.Contains("holds a password", await RefusalAsync(host, "nats://me:secret@127.0.0.1/a"), StringComparison.Ordinal);
        Assert.Contains("may have password_env", await RefusalAsync(host, "nats://127.0.0.1/a?passwort=x"), StringComparison.Ordinal);
        Assert.Contains("DORMOUSE_SECRET_", await RefusalAsync(host, "nats://127.0.0.1/a?password_env=HOME"), StringComparison.Ordinal);
    }

    [Fact]
    public void Addresses_and_outlets_have_the_same_schemes() => Assert.Equal(BrokerAddress.Schemes, BrokerOutlets.All().SelectMany(o => o.Schemes).Order(StringComparer.Ordinal));

    private static async Task RunAsync(BrokerProcess broker, Func<BrokerProcess, string> address)
    {
        await using var owned = broker;
        await broker.StartAsync();
        await broker.PrepareAsync();
        await broker.KillAsync();
        await using var host = await StartAsync(new Uri(address(broker)).GetLeftPart(UriPartial.Authority));
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "text/plain", "the answer"u8.ToArray());
        host.Add("app", GatewayHost.Program());
        Assert.Null(await CreateAsync(host, address(broker)));
        using (var use = new StringContent("""{"on_success":"bus"}"""))
        {
            using var used = await host.Client.PutAsync("/api/v1/endpoints/app/destinations", use, Cancellation);
            Assert.Equal(HttpStatusCode.OK, used.StatusCode);
        }

        using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/app") { Content = new StringContent("hello", Encoding.UTF8, "text/plain") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        using var accepted = await host.Client.SendAsync(request, Cancellation);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);

        await BrokerTests.AdvanceAsync(host, async () => await DeliveryAsync(host) is { ValueKind: JsonValueKind.Object } tried && tried.GetProperty("attempts").GetInt32() > 0 && tried.TryGetProperty("reason", out _));
        await broker.StartAsync();
        var id = "";
        await BrokerTests.AdvanceAsync(host, async () =>
        {
            var delivery = await DeliveryAsync(host);
            id = delivery.GetProperty("id").GetString()!; // A delivery has one.
            if (host.Service<DeliveryLoop>().UnderWayCount == 0)
            {
                // The schedule's pauses are long, and an attempt has so long by the same clock.
                host.Time.Advance(TimeSpan.FromSeconds(10));
            }

            return delivery.GetProperty("state").GetString() == "delivered";
        });

        Assert.Equal([(id, "the answer", "dormouse.invocation.succeeded")], await broker.TakeAsync());
    }

    private static async Task<GatewayHost> StartAsync(string broker)
    {
        var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_DESTINATIONS__BROKERS"] = broker }, storesQueue: true);
        host.Service<QueueLoop>().Start();
        host.Service<DeliveryLoop>().Start();
        return host;
    }

    private static async Task<JsonElement> DeliveryAsync(GatewayHost host)
    {
        using var response = await host.Client.GetAsync("/api/v1/deliveries", Cancellation);
        return (await response.JsonAsync()).GetProperty("deliveries").EnumerateArray().FirstOrDefault();
    }

    /// <returns>Why not; null = it is made, and has no secret.</returns>
    private static async Task<string?> CreateAsync(GatewayHost host, string url)
    {
        using var content = new StringContent(JsonSerializer.Serialize(new { name = "bus", url, form = "cloudevents" }));
        using var response = await host.Client.PostAsync("/api/v1/destinations", content, Cancellation);
        var json = await response.JsonAsync();
        return response.StatusCode != HttpStatusCode.Created ? json.GetProperty("detail").GetString() : json.TryGetProperty("secret", out _) ? "it has a secret" : null;
    }

    private static async Task<string> RefusalAsync(GatewayHost host, string url) => await CreateAsync(host, url) ?? "nothing";
}
