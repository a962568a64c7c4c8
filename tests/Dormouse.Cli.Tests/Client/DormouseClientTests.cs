using System.Net;
using Dormouse.Client;
using Dormouse.Protocol.Control;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Cli.Tests.Client;

public sealed class DormouseClientTests : IDisposable
{
    private readonly Shell _shell = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_problem_document_becomes_a_typed_error()
    {
        await using var server = await FakeServer.StartAsync();
        using var client = DormouseClient.Connect(server.Address, FakeServer.AdminKey);

        var error = await Assert.ThrowsAsync<DormouseException>(() => client.Endpoints.GetAsync("nothing", Cancellation));

        Assert.True(error.IsNotFound);
        Assert.Equal("endpoint_not_found", error.Problem.Code);
        Assert.Null(await client.Endpoints.FindAsync("nothing", Cancellation));
    }

    [Fact]
    public async Task Without_a_key_the_error_says_so()
    {
        await using var server = await FakeServer.StartAsync();
        using var client = DormouseClient.Connect(server.Address, null);

        var error = await Assert.ThrowsAsync<DormouseException>(() => client.Endpoints.ListAsync(Cancellation));

        Assert.Equal(HttpStatusCode.Unauthorized, error.Status);
        Assert.Equal("key_missing", error.Problem.Code);
    }

    [Theory]
    [InlineData(502, "text/html", "<h1>Bad gateway</h1>", "http_502")]
    [InlineData(500, "application/json", "{ not json", "http_500")]
    [InlineData(400, "application/json", """{"error":"the tensor is wrong"}""", null)]
    [InlineData(200, "text/html", "<h1>Another program</h1>", "answer_invalid")]
    public async Task Answers_of_other_programs_are_errors_too(int status, string type, string body, string? code)
    {
        using var client = Over(_ => new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(body, null, type) });

        var error = await Assert.ThrowsAsync<DormouseException>(() => client.VersionAsync(Cancellation));

        Assert.Equal(code, error.Problem.Code);
        Assert.NotEmpty(error.Message);
    }

    [Fact]
    public async Task It_works_over_a_handler_without_a_network()
    {
        using var client = Over(request =>
        {
            Assert.Equal("http://in-process/api/v1/version", request.RequestUri!.AbsoluteUri);
            return new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent("""{"name":"dormouse","version":"1","runtime":"r"}""", null, "application/json") };
        });

        Assert.Equal(new VersionInfo("dormouse", "1", "r", null), await client.VersionAsync(Cancellation));
    }

    [Fact]
    public async Task A_file_is_sent_once_and_never_again()
    {
        await using var server = await FakeServer.StartAsync();
        using var client = DormouseClient.Connect(server.Address, FakeServer.AdminKey);
        var file = _shell.Write("model.onnx", new byte[300_000]);
        var blob = await BlobUploader.HashAsync(file, "model.onnx", cancellationToken: Cancellation);
        var progress = new Sum();

        Assert.Equal(300_000, await client.Blobs.UploadAsync(file, blob, progress, Cancellation));
        Assert.Equal(0, await client.Blobs.UploadAsync(file, blob, null, Cancellation));

        Assert.Equal(300_000, server.UploadedBytes);
        Assert.Equal(300_000, progress.Total);
        Assert.Single(server.Requests, r => r.StartsWith("PUT", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_broken_upload_goes_on_where_it_broke()
    {
        await using var server = await FakeServer.StartAsync();
        var time = new FakeTimeProvider { AutoAdvanceAmount = TimeSpan.Zero };
        using var client = DormouseClient.Connect(server.Address, FakeServer.AdminKey, time);
        var content = new byte[5_000_000];
        new Random(7).NextBytes(content);
        var file = _shell.Write("model.onnx", content);
        var blob = await BlobUploader.HashAsync(file, "model.onnx", cancellationToken: Cancellation);
        var progress = new Sum();
        server.BreakNextUploadAfter(1_000_000);

        var sent = await WithTime(client.Blobs.UploadAsync(file, blob, progress, Cancellation), time);

        Assert.Equal(5_000_000, sent);
        Assert.Equal(5_000_000, server.UploadedBytes);
        Assert.Equal(5_000_000, progress.Total);
        Assert.Equal(2, server.Requests.Count(r => r.StartsWith("PUT", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task An_upload_that_gets_nowhere_ends()
    {
        var puts = 0;
        var time = new FakeTimeProvider();
        using var client = new DormouseClient(
            new Answering(request =>
            {
                puts += request.Method == HttpMethod.Put ? 1 : 0;
                return request.Method == HttpMethod.Put ? throw new HttpRequestException("cut") : new HttpResponseMessage(HttpStatusCode.NotFound);
            }),
            new Uri("http://x"), null, time);
        var file = _shell.Write("model.onnx", new byte[10]);
        var blob = await BlobUploader.HashAsync(file, "model.onnx", cancellationToken: Cancellation);

        await Assert.ThrowsAsync<ServerUnreachableException>(() => WithTime(client.Blobs.UploadAsync(file, blob, null, Cancellation), time));

        Assert.Equal(BlobUploader.FruitlessTriesMax, puts);
    }

    [Fact]
    public async Task A_refused_upload_is_not_tried_again()
    {
        var puts = 0;
        using var client = Over(request =>
        {
            puts += request.Method == HttpMethod.Put ? 1 : 0;
            return new HttpResponseMessage(request.Method == HttpMethod.Put ? (HttpStatusCode)507 : HttpStatusCode.NotFound)
            {
                Content = new StringContent("""{"code":"storage_full","detail":"The disk is full."}""", null, "application/problem+json"),
            };
        });
        var file = _shell.Write("model.onnx", new byte[10]);
        var blob = await BlobUploader.HashAsync(file, "model.onnx", cancellationToken: Cancellation);

        var error = await Assert.ThrowsAsync<DormouseException>(() => client.Blobs.UploadAsync(file, blob, null, Cancellation));

        Assert.Equal("storage_full", error.Problem.Code);
        Assert.Equal(1, puts);
    }

    [Fact]
    public async Task A_file_that_changed_since_it_was_hashed_is_not_sent()
    {
        await using var server = await FakeServer.StartAsync();
        using var client = DormouseClient.Connect(server.Address, FakeServer.AdminKey);
        var file = _shell.Write("model.onnx", new byte[10]);
        var blob = await BlobUploader.HashAsync(file, "model.onnx", cancellationToken: Cancellation);
        _shell.Write("model.onnx", new byte[11]);

        await Assert.ThrowsAsync<IOException>(() => client.Blobs.UploadAsync(file, blob, null, Cancellation));
        Assert.Equal(0, server.UploadedBytes);
    }

    [Theory]
    [InlineData("cold; cause=first; rung=pool", "queue;dur=0.1, start;dur=2.9, load;dur=0.4, run;dur=0.3", "cold", "first", 2.9, 0.3)]
    [InlineData("cold; cause=idle; rung=pool; why=template_refused", "start;dur=2.9", "cold", "idle", 2.9, null)]
    [InlineData("warm", "run;desc=\"x\";dur=0.2", "warm", null, null, 0.2)]
    [InlineData("queued", "queue;dur=12", "queued", null, null, null)]
    public void Headers_tell_where_the_time_went(string start, string timing, string kind, string? cause, double? startMs, double? runMs)
    {
        using var response = new HttpResponseMessage();
        response.Headers.Add("Dormouse-Start", start);
        response.Headers.Add("Server-Timing", timing);

        var trace = InvocationTrace.Of(response);

        Assert.Equal((kind, cause, startMs, runMs), (trace.Kind, trace.Cause, trace.StartMs, trace.RunMs));
        Assert.Equal(start.Contains("why", StringComparison.Ordinal) ? "template_refused" : null, trace.RungReason);
    }

    public void Dispose() => _shell.Dispose();

    private static DormouseClient Over(Func<HttpRequestMessage, HttpResponseMessage> answer) => new(new Answering(answer), new Uri("http://in-process"), "key");

    /// <summary>Lets the waits between tries pass at once, however many there are.</summary>
    private static async Task<T> WithTime<T>(Task<T> work, FakeTimeProvider time)
    {
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (!work.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(10));
            await Task.WhenAny(work, tick.WaitForNextTickAsync(Cancellation).AsTask());
        }

        return await work;
    }

    private sealed class Sum : IProgress<long>
    {
        public long Total { get; private set; }

        public void Report(long value) => Total += value;
    }

    private sealed class Answering(Func<HttpRequestMessage, HttpResponseMessage> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => Task.FromResult(answer(request));
    }
}
