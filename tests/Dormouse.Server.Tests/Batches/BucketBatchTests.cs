using Amazon.S3.Model;
using Dormouse.Buckets;
using Dormouse.Server.Batches;
using Dormouse.Server.Batches.Inputs;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Brokers;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Batches;

/// <summary>Batch jobs over objects of a real server of buckets (fauxqs).</summary>
public sealed class BucketBatchTests : IAsyncLifetime
{
    private readonly SqsProcess _buckets = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _buckets.StartAsync();
        using var client = _buckets.Buckets();
        await client.PutBucketAsync("data", Cancellation);
    }

    public ValueTask DisposeAsync() => _buckets.DisposeAsync();

    [Fact]
    public async Task Objects_of_a_prefix_are_items_in_the_order_of_their_keys()
    {
        await PutAsync(("in/b.json", """{"n":2}"""), ("in/a.json", """{"n":1}"""), ("in/deep/c.json", """{"n":3}"""), ("in/empty.json", ""), ("in/.hidden", "x"), ("in2/d.json", """{"n":4}"""));
        await using var host = await StartAsync("s3://data/in");

        var made = await BatchTests.CreateAsync(host, new { endpoint = "double", input = new { path = "s3://data/in/" } });
        var job = await BatchTests.EndedAsync(host, made);
        var results = await BatchTests.ResultsAsync(host, made);

        Assert.Equal(("done", 3, 1, 1), (job.GetProperty("state").GetString(), BatchTests.Number(job, "succeeded"), BatchTests.Number(job, "failed"), BatchTests.Number(job, "skipped")));
        Assert.Equal(["a.json", "b.json", "deep/c.json", "empty.json"], results.Select(r => r.GetProperty("input").GetString()));
        Assert.Equal([2, 4, 6], results.Take(3).Select(r => r.GetProperty("output").GetProperty("twice").GetInt32()));
        Assert.Equal("bucket", job.GetProperty("input").GetProperty("place").GetString());
    }

    [Fact]
    public async Task An_object_of_lines_is_read_on_where_the_job_paused()
    {
        const int Lines = 150;
        await PutAsync(("in/all.jsonl", string.Join('\n', Enumerable.Range(1, Lines).Select(i => $$"""{"n":{{i}}}"""))));
        await using var host = await StartAsync("s3://data");

        var made = await BatchTests.CreateAsync(host, new { endpoint = "double", input = new { path = "s3://data/in/all.jsonl" }, concurrency = 8 });
        using (await host.Client.PostAsync($"/api/v1/batches/{made}/pause", null, Cancellation))
        using (await host.Client.PostAsync($"/api/v1/batches/{made}/resume", null, Cancellation))
        {
            var job = await BatchTests.EndedAsync(host, made);
            Assert.Equal(("done", Lines), (job.GetProperty("state").GetString(), BatchTests.Number(job, "succeeded")));
        }

        Assert.Equal(Enumerable.Range(1, Lines).Select(i => 2 * i), (await BatchTests.ResultsAsync(host, made)).Select(r => r.GetProperty("output").GetProperty("twice").GetInt32()));
    }

    [Fact]
    public async Task Only_what_the_operator_opened_is_read()
    {
        await PutAsync(("in/a.json", "1"));
        await using var host = await StartAsync("s3://data/in");

        Assert.Contains("s3://data/in (setting batches.buckets)", await RefusalAsync(host, "s3://data/in2/"), StringComparison.Ordinal);
        Assert.Contains("batches.buckets", await RefusalAsync(host, "s3://other/in/"), StringComparison.Ordinal);
        Assert.Contains("batches.buckets", await RefusalAsync(host, "s3://d/in/"), StringComparison.Ordinal);
        Assert.Contains("no object's key begins with 'in/none/'", await RefusalAsync(host, "s3://data/in/none/"), StringComparison.Ordinal);
        Assert.Contains("there is no such object", await RefusalAsync(host, "s3://data/in/none.csv"), StringComparison.Ordinal);
        Assert.Contains("a prefix", await RefusalAsync(host, "s3://data/in/", "csv"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_object_that_was_written_anew_is_not_read_on()
    {
        await PutAsync(("in/all.jsonl", "first\nsecond\n"));
        using var objects = new S3Objects(new S3BucketOptions { Bucket = "", Endpoint = new Uri(_buckets.Url), UsesPathStyle = true, AccessKey = "test", SecretKey = "test" });
        var known = await objects.FindAsync("data", "in/all.jsonl", Cancellation);
        await using var stream = new BucketStream(objects, "data", known!); // It was just put there.
        var buffer = new byte[7];
        stream.Position = 6;
        await stream.ReadExactlyAsync(buffer, Cancellation);
        Assert.Equal("second\n"u8, buffer);

        await PutAsync(("in/all.jsonl", "other\nthird!\n"));
        stream.Position = 0;

        Assert.Contains("was changed or removed while the job ran", (await Assert.ThrowsAsync<InputUnreadableException>(async () => await stream.ReadExactlyAsync(buffer, Cancellation))).Message, StringComparison.Ordinal);
    }

    private async Task<GatewayHost> StartAsync(string buckets)
    {
        var host = await GatewayHost.StartAsync(
            new()
            {
                ["DORMOUSE_BATCHES__BUCKETS"] = buckets,
                ["DORMOUSE_S3__ENDPOINT"] = _buckets.Url,
                ["DORMOUSE_S3__ACCESS_KEY"] = "test",
                ["DORMOUSE_S3__SECRET_KEY"] = "test",
            },
            storesQueue: true);
        host.Service<QueueLoop>().Start();
        host.Service<BatchLoop>().Start();
        host.Add("double", GatewayHost.Program() with { Timeout = TimeSpan.FromHours(24), StartTimeout = TimeSpan.FromHours(24), QueueTimeout = TimeSpan.FromHours(24) });
        BatchTests.Double(host);
        return host;
    }

    private async Task PutAsync(params (string Key, string Content)[] objects)
    {
        using var client = _buckets.Buckets();
        foreach (var (key, content) in objects)
        {
            await client.PutObjectAsync(new PutObjectRequest { BucketName = "data", Key = key, ContentBody = content }, Cancellation);
        }
    }

    private static Task<string> RefusalAsync(GatewayHost host, string path, string? format = null) => BatchTests.RefusalAsync(host, new { endpoint = "double", input = new { path, format } });
}
