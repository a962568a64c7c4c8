using System.Text;
using System.Text.Json;
using Amazon.SQS.Model;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>What a queue that speaks SQS has beside other brokers: partial failures, groups, deduplication.</summary>
public sealed class SqsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Of_a_batch_what_its_run_says_failed_comes_again_and_the_rest_is_deleted()
    {
        await using var broker = new SqsProcess();
        await broker.StartAsync();
        await broker.PrepareAsync();
        var first = await broker.SendOneAsync("1", null);
        var bad = await broker.SendOneAsync("2", null);
        await using var host = await BrokerTests.StartAsync();
        var seen = new List<string>();
        host.Driver.Play = async run =>
        {
            using var body = JsonDocument.Parse(run.Body);
            var records = body.RootElement.GetProperty("Records").EnumerateArray().Select(r => (Id: r.GetProperty("messageId").GetString()!, Count: r.GetProperty("attributes").GetProperty("ApproximateReceiveCount").GetString())).ToList();
            lock (seen)
            {
                seen.AddRange(records.Select(r => $"{(r.Id == bad ? "bad" : "good")} {r.Count}"));
            }

            var failures = records.Where(r => r.Id == bad && r.Count == "1").Select(r => new Dictionary<string, string> { ["itemIdentifier"] = r.Id });
            await FakeInstance.AnswerAsync(run.Context, 200, "application/json", JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object> { ["batchItemFailures"] = failures }));
        };
        host.Add("orders", GatewayHost.Program());

        await BrokerTests.PutAsync(host, "sqs", new(broker.Source) { ["settle"] = "ended", ["form"] = "records", ["visibility"] = "2s" }, batchSize: 10, batchWindow: "5s");
        await BrokerTests.AdvanceAsync(host, () => seen.Count >= 3);
        await BrokerTests.AdvanceAsync(host, async () => await broker.LeftAsync() == 0);

        Assert.NotEqual(first, bad);
        Assert.Equal(["bad 1", "bad 2", "good 1"], seen.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_run_that_fails_gives_its_message_back_to_the_queue_whose_redrive_policy_puts_it_aside()
    {
        await using var broker = new SqsProcess();
        await broker.StartAsync();
        using var client = broker.Client();
        var dead = (await client.CreateQueueAsync("dead", Cancellation)).QueueUrl;
        var arn = (await client.GetQueueAttributesAsync(dead, ["QueueArn"], Cancellation)).QueueARN;
        await client.CreateQueueAsync(
            new CreateQueueRequest("orders") { Attributes = new() { ["RedrivePolicy"] = JsonSerializer.Serialize(new Dictionary<string, string> { ["deadLetterTargetArn"] = arn, ["maxReceiveCount"] = "2" }) } }, Cancellation);
        await broker.SendAsync("poison", "fine");
        await using var host = await BrokerTests.StartAsync();
        var seen = new List<string>();
        host.Driver.Play = run =>
        {
            var body = Encoding.UTF8.GetString(run.Body);
            lock (seen)
            {
                seen.Add(body);
            }

            return FakeInstance.AnswerAsync(run.Context, body == "poison" ? 400 : 200, "text/plain", "x"u8.ToArray());
        };
        host.Add("orders", GatewayHost.Program());

        await BrokerTests.PutAsync(host, "sqs", new(broker.Source) { ["settle"] = "ended", ["visibility"] = "1s" });
        await BrokerTests.AdvanceAsync(host, async () => (await client.GetQueueAttributesAsync(dead, ["ApproximateNumberOfMessages"], Cancellation)).ApproximateNumberOfMessages == 1);

        Assert.Equal(["fine", "poison", "poison"], seen.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Messages_of_a_group_run_in_their_order_and_a_deduplication_id_is_one_event()
    {
        await using var broker = new SqsProcess(".fifo");
        await broker.StartAsync();
        await broker.PrepareAsync();
        var bodies = Enumerable.Range(10, 20).Select(i => $"{i}").ToArray();
        await broker.SendAsync([.. bodies, "10"]);
        await using var host = await BrokerTests.StartAsync();
        var seen = BrokerTests.Record(host);
        host.Add("orders", GatewayHost.Program());

        await BrokerTests.PutAsync(host, "sqs", new(broker.Source) { ["id"] = "deduplication" });
        await BrokerTests.AdvanceAsync(host, () => seen.Count == bodies.Length);
        await BrokerTests.AdvanceAsync(host, async () => await broker.LeftAsync() == 0);

        Assert.Equal(bodies, seen);
    }

    [Fact]
    public async Task A_message_stays_hidden_from_others_for_as_long_as_its_run_lasts()
    {
        await using var broker = new SqsProcess();
        await broker.StartAsync();
        await broker.PrepareAsync();
        await broker.SendAsync("slow");
        await using var host = await BrokerTests.StartAsync();
        host.Driver.HoldRuns();
        var patient = TimeSpan.FromHours(24);
        host.Add("orders", GatewayHost.Program() with { Timeout = patient, StartTimeout = patient, QueueTimeout = patient });
        await BrokerTests.PutAsync(host, "sqs", new(broker.Source) { ["settle"] = "ended", ["visibility"] = "2s" });
        var run = await host.Driver.NextRunAsync(Cancellation);

        // By the broker's clock more than twice its visibility; ours goes on meanwhile, and with it the extending.
        using var client = broker.Client();
        var others = client.ReceiveMessageAsync(new ReceiveMessageRequest(broker.Queue) { WaitTimeSeconds = 5, VisibilityTimeout = 0 }, Cancellation);
        await BrokerTests.AdvanceAsync(host, () => others.IsCompleted);
        run.Release();
        await BrokerTests.AdvanceAsync(host, async () => await broker.LeftAsync() == 0);

        Assert.Empty((await others).Messages ?? []);
    }
}
