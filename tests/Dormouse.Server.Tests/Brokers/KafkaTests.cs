using System.Collections.Immutable;
using System.Net;
using System.Text;
using Dormouse.Brokers;
using Dormouse.Brokers.Outlets;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>Triggers on Kafka, and outcomes to it, against the cluster that librdkafka brings for tests: no real server was to be had.</summary>
public sealed class KafkaTests : IDisposable
{
    private readonly Lazy<KafkaCluster> _cluster = new(() => new KafkaCluster());

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private KafkaCluster Cluster => _cluster.Value;

    public void Dispose()
    {
        if (_cluster.IsValueCreated)
        {
            Cluster.Dispose();
        }
    }

    [Fact]
    public async Task Records_are_queued_once_and_those_of_a_partition_run_in_their_order()
    {
        string[] Of(int partition) => [.. Enumerable.Range(0, 6).Select(i => $"{partition}-{i}")];
        await using var host = await BrokerTests.StartAsync();
        var seen = BrokerTests.Record(host);
        host.Add("orders", GatewayHost.Program());
        for (var partition = 0; partition < 3; partition++)
        {
            await Cluster.SendAsync("orders", partition, Of(partition));
        }

        await BrokerTests.PutAsync(host, "kafka", Cluster.Source);
        await BrokerTests.AdvanceAsync(host, () => seen.Count >= 18);
        await BrokerTests.AdvanceAsync(host, async () => await Cluster.CommittedAsync("orders", 0) == 6 && await Cluster.CommittedAsync("orders", 1) == 6 && await Cluster.CommittedAsync("orders", 2) == 6);

        Assert.Equal(18, seen.Count);
        for (var partition = 0; partition < 3; partition++)
        {
            Assert.Equal(Of(partition), seen.Where(s => s[0] == '0' + partition));
        }
    }

    [Fact]
    public async Task Nothing_is_committed_that_is_not_queued_and_nothing_more_is_pulled_while_the_queue_is_full()
    {
        await using var host = await BrokerTests.StartAsync(new() { ["DORMOUSE_QUEUES__LIMIT"] = "3" });
        var (seen, begun, mayEnd) = (0, new TaskCompletionSource(), new TaskCompletionSource());
        host.Driver.Play = async run =>
        {
            begun.TrySetResult();
            await mayEnd.Task.WaitAsync(Cancellation);
            Interlocked.Increment(ref seen);
            await FakeInstance.AnswerAsync(run.Context, 200, "text/plain", "done"u8.ToArray());
        };
        host.Add("orders", GatewayHost.Program());
        await Cluster.SendAsync("orders", 0, [.. Enumerable.Range(0, 40).Select(i => $"{i}")]);

        await BrokerTests.PutAsync(host, "kafka", Cluster.Source);
        await BrokerTests.AdvanceAsync(host, async () => begun.Task.IsCompleted && await BrokerTests.StateAsync(host) == "failing");

        // One runs, three wait: the fifth is held.
        await BrokerTests.AdvanceAsync(host, async () => await Cluster.CommittedAsync("orders", 0) == 4);
        mayEnd.SetResult();
        await BrokerTests.AdvanceAsync(host, async () => await Cluster.CommittedAsync("orders", 0) == 40);
        await BrokerTests.AdvanceAsync(host, () => Volatile.Read(ref seen) >= 40);

        Assert.Equal(40, seen);
    }

    [Fact]
    public async Task What_can_never_be_queued_goes_to_the_topic_for_it_and_holds_up_nothing()
    {
        await using var host = await BrokerTests.StartAsync(new() { ["DORMOUSE_QUEUES__BODY_LIMIT"] = "1KiB" });
        var seen = BrokerTests.Record(host);
        host.Add("orders", GatewayHost.Program());
        var tooLong = new string('x', 2_000);
        await Cluster.SendAsync("orders", 1, ["1", tooLong, "2"]);

        await BrokerTests.PutAsync(host, "kafka", new(Cluster.Source) { ["rejected"] = "orders.rejected" });
        await BrokerTests.AdvanceAsync(host, () => seen.Count == 2);
        await BrokerTests.AdvanceAsync(host, async () => await Cluster.CommittedAsync("orders", 1) == 3);
        var rejected = Assert.Single(await Cluster.ReadAsync("orders.rejected", 1));

        Assert.Equal(["1", "2"], seen);
        Assert.Equal(tooLong, Encoding.UTF8.GetString(rejected.Value));
        Assert.StartsWith("orders-1-1-", Encoding.UTF8.GetString(rejected.Headers.GetLastBytes("dormouse-id")), StringComparison.Ordinal);
        Assert.Contains("queues.body_limit", Encoding.UTF8.GetString(rejected.Headers.GetLastBytes("dormouse-reason")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_offset_is_committed_when_everything_before_it_is_done()
    {
        await Cluster.SendAsync("orders", 2, ["0", "1", "2", "3"]);
        await using var source = await OpenAsync();
        var events = new List<SourceEvent>();
        while (events.Count < 4)
        {
            events.AddRange(await source.ReceiveAsync(4, TimeSpan.FromSeconds(30), Cancellation));
        }

        Assert.Equal(4, await source.LagAsync(Cancellation));
        await source.AcknowledgeAsync([events[1], events[3]], Cancellation);
        Assert.Equal(-1, await Cluster.CommittedAsync("orders", 2));
        await source.AcknowledgeAsync([events[0]], Cancellation);
        Assert.Equal(2, await Cluster.CommittedAsync("orders", 2));
        await source.AcknowledgeAsync([events[2]], Cancellation);

        Assert.Equal(4, await Cluster.CommittedAsync("orders", 2));
        Assert.Equal(0, await source.LagAsync(Cancellation));
        Assert.Equal(("2", "k2", "kafka:orders"), (events[2].Attributes["partition"], events[2].Subject, events[2].Source));
        Assert.Single(events.Select(e => e.Group).Distinct());
    }

    [Fact]
    public async Task A_cluster_that_is_gone_is_said()
    {
        await Cluster.SendAsync("orders", 0, "1");
        await using var source = await OpenAsync();
        Assert.Single(await source.ReceiveAsync(4, TimeSpan.FromSeconds(30), Cancellation));

        Cluster.Dispose();

        await Assert.ThrowsAsync<IOException>(() => source.ReceiveAsync(4, TimeSpan.FromSeconds(60), Cancellation));
        Assert.Contains("does not answer", (await Assert.ThrowsAsync<IOException>(OpenAsync)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_topic_gets_an_outcome()
    {
        var outlet = Assert.Single(BrokerOutlets.All(), o => o.Schemes.Contains("kafka"));
        var url = new Uri($"kafka://{Cluster.Address}/outcomes");
        Assert.Null(outlet.Fault(url));

        await outlet.SendAsync(url, new OutletMessage("id-1", "digits", "the answer"u8.ToArray(), "text/plain", [KeyValuePair.Create("type", "dormouse.invocation.succeeded")]), Cancellation);
        var sent = Assert.Single(await Cluster.ReadAsync("outcomes", 1));

        Assert.Equal(("digits", "the answer"), (Encoding.UTF8.GetString(sent.Key!), Encoding.UTF8.GetString(sent.Value))); // It was sent with a key.
        Assert.Equal("id-1", Encoding.UTF8.GetString(sent.Headers.GetLastBytes("delivery-id")));
        Assert.Equal("dormouse.invocation.succeeded", Encoding.UTF8.GetString(sent.Headers.GetLastBytes("ce_type")));
    }

    [Theory]
    [InlineData("""{"url":"nats://b","topic":"t"}""", "kafka://127.0.0.1:9092")]
    [InlineData("""{"url":"kafka://b","topic":"^a.*"}""", "1 to 249 letters")]
    [InlineData("""{"url":"kafka://b","topic":"t","rejected":"t"}""", "the topic itself")]
    [InlineData("""{"url":"kafka://b","topic":"t","from":"5"}""", "start or new")]
    [InlineData("""{"url":"kafka://me@b","topic":"t"}""", "names no password")]
    [InlineData("""{"url":"kafka://b","topic":"t","sasl":"plain"}""", "mean nothing without a user")]
    [InlineData("""{"url":"kafka://me@b","topic":"t","sasl":"gssapi","password_env":"DORMOUSE_SECRET_K"}""", "scram-sha-512")]
    public async Task What_is_wrong_with_a_source_is_said(string source, string expected)
    {
        await using var host = await GatewayHost.StartAsync(storesQueue: true);
        using var content = new StringContent($$"""{"kind":"kafka","endpoint":"orders","source":{{source}}}""");
        using var response = await host.Client.PutAsync("/api/v1/triggers/t", content, Cancellation);

        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        Assert.Contains(expected, (await response.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    private Task<IEventSource> OpenAsync()
    {
        var kind = BrokerKinds.All(new BrokerParts(TimeProvider.System, new NoIds(), new NoInvocations(), 1 << 20)).Single(k => k.Name == "kafka");
        return kind.OpenAsync(
            new Trigger
            {
                Id = new TriggerId(Guid.Empty),
                Tenant = TenantId.Default,
                Name = "t",
                Kind = "kafka",
                Endpoint = "orders",
                Source = Cluster.Source.ToImmutableSortedDictionary(),
                CreatedAt = DateTimeOffset.UnixEpoch,
            },
            Cancellation);
    }

    private sealed class NoIds : Core.IIdSource
    {
        public Guid NewId() => throw new NotSupportedException("Records have places.");
    }

    private sealed class NoInvocations : IFedInvocations
    {
        public Task<FedEnd> EndOfAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken) => throw new NotSupportedException("Offsets do not wait for runs.");
    }
}
