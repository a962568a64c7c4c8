using System.Net;
using System.Text;
using System.Text.Json;
using Amazon.S3;
using Amazon.S3.Model;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Server.Triggers;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>Objects that come into buckets: found by listing, or told by the bucket through a queue or over HTTP.</summary>
public sealed class ObjectTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_object_is_queued_once_also_when_server_and_bucket_begin_anew_and_one_is_written_again()
    {
        await using var broker = new SqsProcess();
        await broker.StartAsync();
        using var buckets = broker.Buckets();
        await buckets.PutBucketAsync("scans", Cancellation);
        await PutAsync(buckets, "in/1.txt", "one");
        await PutAsync(buckets, "in/2.txt", "two");
        await PutAsync(buckets, "out/3.txt", "other");
        await using var host = await BrokerTests.StartAsync();
        var seen = BrokerTests.Record(host);
        host.Add("orders", GatewayHost.Program());

        await BrokerTests.PutAsync(host, "s3", new(broker.Bucket("scans")) { ["prefix"] = "in/", ["form"] = "object" });
        await BrokerTests.AdvanceAsync(host, () => seen.Count == 2);
        await BrokerTests.AdvanceAsync(host, async () => (await TriggerAsync(host)).Mark is not null);
        await broker.KillAsync();
        await BrokerTests.AdvanceAsync(host, async () => await BrokerTests.StateAsync(host) == "failing");
        await broker.StartAsync();
        // Another server reads what is stored.
        await host.Service<TriggerLoop>().ChangedAsync(await TriggerAsync(host));
        await PutAsync(buckets, "in/1.txt", "one, written again");
        await PutAsync(buckets, "in/4.txt", "four");
        await BrokerTests.AdvanceAsync(host, () => seen.Count == 4);
        await host.Service<TriggerLoop>().ChangedAsync(await TriggerAsync(host));
        await PutAsync(buckets, "in/5.txt", "five");
        await BrokerTests.AdvanceAsync(host, () => seen.Count >= 5);

        Assert.Equal(["five", "four", "one", "one, written again", "two"], seen.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task What_is_there_already_is_passed_over_when_only_new_objects_are_asked_for()
    {
        await using var broker = new SqsProcess();
        await broker.StartAsync();
        using var buckets = broker.Buckets();
        await buckets.PutBucketAsync("scans", Cancellation);
        await PutAsync(buckets, "old", "old");
        await using var host = await BrokerTests.StartAsync();
        var seen = BrokerTests.Record(host);
        host.Add("orders", GatewayHost.Program());

        await BrokerTests.PutAsync(host, "s3", new(broker.Bucket("scans")) { ["from"] = "new" });
        await BrokerTests.AdvanceAsync(host, async () => (await TriggerAsync(host)).Mark is not null);
        await PutAsync(buckets, "new one", "1234");
        await BrokerTests.AdvanceAsync(host, () => seen.Count == 1);

        using var body = JsonDocument.Parse(seen[0]);
        Assert.Equal(("scans", "new one", 4), (body.RootElement.GetProperty("bucket").GetString(), body.RootElement.GetProperty("key").GetString(), body.RootElement.GetProperty("size").GetInt32()));
    }

    [Fact]
    public async Task A_bucket_tells_of_its_objects_through_a_queue_and_an_endpoint_gets_the_object()
    {
        await using var broker = new SqsProcess();
        await broker.StartAsync();
        await broker.PrepareAsync();
        using var buckets = broker.Buckets();
        await buckets.PutBucketAsync("scans", Cancellation);
        var etag = await PutAsync(buckets, "in/a b+c.txt", "the object");
        await broker.SendAsync(
            """{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-28T12:00:00.000Z","Bucket":"scans","RequestId":"1","HostId":"2"}""",
            Notification("in/a+b%2Bc.txt", etag), Notification("in/gone.txt", "0"), "no notification");
        await using var host = await BrokerTests.StartAsync();
        var seen = BrokerTests.Record(host);
        host.Add("orders", GatewayHost.Program());

        await BrokerTests.PutAsync(
            host, "sqs",
            new(broker.Source) { ["events"] = "s3", ["form"] = "object", ["s3_url"] = broker.Url, ["s3_access_key"] = "test", ["s3_password_env"] = SqsProcess.SecretVariable });
        await BrokerTests.AdvanceAsync(host, async () => seen.Count == 1 && await broker.LeftAsync() == 1);

        Assert.Equal("the object", Assert.Single(seen));
    }

    [Fact]
    public async Task An_object_that_can_never_be_queued_is_passed_over_and_holds_up_nothing()
    {
        await using var broker = new SqsProcess();
        await broker.StartAsync();
        using var buckets = broker.Buckets();
        await buckets.PutBucketAsync("scans", Cancellation);
        await PutAsync(buckets, "1", new string('x', 2_000));
        await PutAsync(buckets, "2", "two");
        await using var host = await BrokerTests.StartAsync(new() { ["DORMOUSE_QUEUES__BODY_LIMIT"] = "1KiB" });
        var seen = BrokerTests.Record(host);
        host.Add("orders", GatewayHost.Program());

        await BrokerTests.PutAsync(host, "s3", new(broker.Bucket("scans")) { ["form"] = "object" });
        await BrokerTests.AdvanceAsync(host, async () => seen.Count == 1 && (await TriggerAsync(host)).Mark is not null);

        Assert.Equal(["two"], seen);
    }

    [Fact]
    public async Task A_bucket_tells_of_its_objects_over_http()
    {
        await using var host = await BrokerTests.StartAsync();
        var seen = BrokerTests.Record(host);
        host.Add("orders", GatewayHost.Program());
        await BrokerTests.PutAsync(host, "http", new() { ["events"] = "s3", ["form"] = "records" });

        using var notice = new StringContent(Notification("a+b.txt", "0"));
        using var accepted = await host.Client.PostAsync("/events/t", notice, Cancellation);
        using var nothing = new StringContent("[]");
        using var refused = await host.Client.PostAsync("/events/t", nothing, Cancellation);
        await BrokerTests.AdvanceAsync(host, () => seen.Count == 1);

        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.BadRequest), (accepted.StatusCode, refused.StatusCode));
        using var body = JsonDocument.Parse(seen[0]);
        Assert.Equal("a+b.txt", body.RootElement.GetProperty("Records")[0].GetProperty("s3").GetProperty("object").GetProperty("key").GetString());
    }

    [Theory]
    [InlineData("http://169.254.169.254")]
    [InlineData("http://[fe80::1]")]
    [InlineData("http://[::ffff:169.254.169.254]")]
    public async Task The_metadata_service_of_a_cloud_is_no_bucket(string url)
    {
        await using var host = await BrokerTests.StartAsync();
        host.Add("orders", GatewayHost.Program());
        Environment.SetEnvironmentVariable(SqsProcess.SecretVariable, "test");

        await BrokerTests.PutAsync(host, "s3", new() { ["bucket"] = "latest", ["url"] = url, ["access_key"] = "test", ["password_env"] = SqsProcess.SecretVariable });
        await BrokerTests.AdvanceAsync(host, async () => (await TriggerAsync(host)).LastError is not null);

        Assert.Contains("link-local", (await TriggerAsync(host)).LastError, StringComparison.Ordinal);
    }

    private static async Task<Core.Events.Trigger> TriggerAsync(GatewayHost host) => (await host.Storage.Triggers.FindAsync(TenantId.Default, "t", Cancellation))!; // The test made it.

    private static async Task<string> PutAsync(AmazonS3Client buckets, string key, string body)
    {
        using var content = new MemoryStream(Encoding.UTF8.GetBytes(body));
        return (await buckets.PutObjectAsync(new PutObjectRequest { BucketName = "scans", Key = key, InputStream = content, ContentType = "text/plain", AutoCloseStream = false }, Cancellation)).ETag.Trim('"');
    }

    private static string Notification(string key, string etag) =>
        """
        {"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-central-1","eventTime":"2026-11-28T12:00:00.000Z","eventName":"ObjectCreated:Put",
        "s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"scans","arn":"arn:aws:s3:::scans"},"object":{"key":"KEY","size":10,"eTag":"TAG","sequencer":"0055AED6DCD90281E5"}}}]}
        """.Replace("KEY", key, StringComparison.Ordinal).Replace("TAG", etag, StringComparison.Ordinal);
}
