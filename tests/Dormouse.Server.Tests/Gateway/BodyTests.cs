using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Dormouse.Server.Gateway;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Tests.Gateway;

public sealed class BodyTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1 << 20)]
    [InlineData((1 << 20) + 1)]
    [InlineData(5 << 20)]
    public async Task Bodies_of_any_size_arrive_whole_declared_or_chunked(int size)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "application/octet-stream", SHA256.HashData(run.Body));
        host.Add("digits");
        var body = Random(size);

        using var declared = await host.Client.PostAsync("/v2/models/digits/infer", new ByteArrayContent(body), Cancellation);
        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StreamContent(new Unseekable(body)) };
        chunked.Headers.TransferEncodingChunked = true;
        using var second = await host.Client.SendAsync(chunked, Cancellation);

        Assert.Equal(SHA256.HashData(body), await declared.Content.ReadAsByteArrayAsync(Cancellation));
        Assert.Equal(SHA256.HashData(body), await second.Content.ReadAsByteArrayAsync(Cancellation));
    }

    [Fact]
    public async Task A_large_body_that_waits_is_spooled_and_goes_on_when_its_slot_comes()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.IsReadyAtOnce = false;
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "application/octet-stream", SHA256.HashData(run.Body));
        host.Add("digits");
        var body = Random(4 << 20);
        var paused = new PausingStream(body, pauseAt: 3 << 20);

        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StreamContent(paused) };
        request.Content.Headers.ContentLength = body.Length;
        var call = host.Client.SendAsync(request, Cancellation);
        var start = await host.Driver.NextStartAsync(Cancellation);
        await paused.PausedAsync();
        await host.Driver.MakeReadyAsync(start.Instance);
        paused.Resume();
        using var answer = await call;

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(SHA256.HashData(body), await answer.Content.ReadAsByteArrayAsync(Cancellation));
        Assert.Empty(Directory.GetFiles(Path.GetTempPath(), "dormouse-*.spool"));
    }

    [Fact]
    public async Task A_header_that_is_not_ascii_reaches_the_instance_and_never_counts_against_it()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        string? seen = null;
        host.Driver.Play = run =>
        {
            seen = run.Context.Request.ContentType;
            return FakeInstance.AnswerAsync(run.Context, 200, "application/json", "{}"u8.ToArray());
        };
        using var client = new HttpClient(new SocketsHttpHandler { RequestHeaderEncodingSelector = static (_, _) => System.Text.Encoding.UTF8 });
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(host.Http, "/v2/models/digits/infer")) { Content = new ByteArrayContent([1]) };
        request.Headers.Authorization = host.Client.DefaultRequestHeaders.Authorization;
        request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json; x=é");

        using var answer = await client.SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("application/json; x=é", seen);
        Assert.Equal(1, host.Driver.Started);
    }

    [Fact]
    public async Task A_large_body_that_cannot_be_spooled_is_refused_and_its_place_is_free()
    {
        var folder = Directory.CreateTempSubdirectory("dormouse-spool-");
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_SERVER__SPOOL_FOLDER"] = folder.FullName });
        folder.Delete();
        host.Driver.IsReadyAtOnce = false;
        host.Add("digits");
        var call = host.Client.PostAsync("/v2/models/digits/infer", new ByteArrayContent(new byte[4 << 20]), Cancellation);
        var start = await host.Driver.NextStartAsync(Cancellation);

        using var answer = await call;

        Assert.Equal(HttpStatusCode.InsufficientStorage, answer.StatusCode);
        Assert.Equal("storage_full", await answer.CodeAsync());
        await host.Driver.MakeReadyAsync(start.Instance);
        using var neighbour = await host.InferAsync("digits");
        Assert.Equal(HttpStatusCode.OK, neighbour.StatusCode);
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused_declared_or_chunked()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_SERVER__BODY_LIMIT"] = "2MiB" });
        host.Add("digits");
        var body = new byte[(2 << 20) + 1];

        using var declared = await host.Client.PostAsync("/v2/models/digits/infer", new ByteArrayContent(body), Cancellation);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, declared.StatusCode);
        Assert.Equal("body_too_large", await declared.CodeAsync());
        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StreamContent(new Unseekable(body)) };
        chunked.Headers.TransferEncodingChunked = true;
        using var second = await host.Client.SendAsync(chunked, Cancellation);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, second.StatusCode);
        Assert.Contains("2097152 bytes", await second.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.NotEmpty(second.Headers.GetValues("Dormouse-Invocation-Id"));
        using var neighbour = await host.InferAsync("digits");
        Assert.Equal(HttpStatusCode.OK, neighbour.StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_caller_who_still_sends_a_body_over_the_limit_gets_the_answer(bool isChunked)
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_SERVER__BODY_LIMIT"] = "2MiB" });
        host.Add("digits");
        var body = new byte[64 << 20];

        for (var i = 0; i < 5; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StreamContent(new Unseekable(body)) };
            request.Headers.TransferEncodingChunked = isChunked;
            request.Content.Headers.ContentLength = isChunked ? null : body.Length;
            using var answer = await host.Client.SendAsync(request, Cancellation);

            Assert.Equal("body_too_large", await answer.CodeAsync());
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_answer_that_comes_before_the_body_is_through_reaches_the_caller(bool isDeclared)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.ReadsBodies = false;
        host.Driver.Play = run =>
            FakeInstance.AnswerAsync(run.Context, 413, "application/json", """{"status":413,"code":"body_too_large","detail":"too much","retryable":false}"""u8.ToArray());
        host.Add("digits");

        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StreamContent(new Unseekable(Random(8 << 20))) };
        request.Content.Headers.ContentLength = isDeclared ? 8 << 20 : null;
        request.Headers.TransferEncodingChunked = !isDeclared;
        using var answer = await host.Client.SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        Assert.Equal("body_too_large", await answer.CodeAsync());
        Assert.Equal((Core.Usage.Outcome.Rejected, 413), Assert.Single(host.Journal.Receipts) is var r ? (r.Outcome, r.Status) : default);
    }

    [Theory]
    [InlineData("gzip", "gzip")]
    [InlineData("deflate", "deflate")]
    [InlineData("gzip;q=0, deflate", "deflate")]
    [InlineData("br, *", "gzip")]
    [InlineData("identity", null)]
    [InlineData("gzip;q=0.0", null)]
    public async Task A_json_answer_of_a_kilobyte_is_compressed_as_the_caller_takes_it(string accepts, string? expected)
    {
        await using var host = await GatewayHost.StartAsync();
        var json = Encoding.UTF8.GetBytes("{\"outputs\":\"" + new string('x', 5000) + "\"}");
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "application/json", json);
        host.Add("digits");

        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StringContent("{}") };
        request.Headers.TryAddWithoutValidation("Accept-Encoding", accepts);
        using var answer = await host.Client.SendAsync(request, Cancellation);
        await using var raw = await answer.Content.ReadAsStreamAsync(Cancellation);
        await using Stream plain = expected switch
        {
            "gzip" => new GZipStream(raw, CompressionMode.Decompress),
            "deflate" => new ZLibStream(raw, CompressionMode.Decompress),
            _ => raw,
        };
        using var read = new MemoryStream();
        await plain.CopyToAsync(read, Cancellation);

        Assert.Equal(expected, answer.Header("Content-Encoding"));
        Assert.Equal("Accept-Encoding", answer.Header("Vary"));
        Assert.Equal(json, read.ToArray());
    }

    [Fact]
    public async Task Only_what_the_instance_needs_is_forwarded_and_never_the_key()
    {
        await using var host = await GatewayHost.StartAsync();
        string? seen = null;
        host.Driver.Play = run =>
        {
            var request = run.Context.Request;
            seen = $"{request.Method} {request.Path}{request.QueryString} key={request.Headers.Authorization} type={request.ContentType} "
                + $"model={request.Headers["Dormouse-Model-Name"]} version={request.Headers["Dormouse-Model-Version"]} json={request.Headers["Inference-Header-Content-Length"]} x={request.Headers["X-Own"]}";
            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", [1]);
        };
        host.Add("digits");

        using var infer = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/versions/1/infer") { Content = new ByteArrayContent([1, 2, 3]) };
        infer.Content.Headers.TryAddWithoutValidation("Content-Type", "application/octet-stream");
        infer.Headers.TryAddWithoutValidation("Inference-Header-Content-Length", "2");
        infer.Headers.TryAddWithoutValidation("X-Own", "1");
        using var one = await host.Client.SendAsync(infer, Cancellation);
        Assert.Equal("POST /infer key= type=application/octet-stream model=digits version=1 json=2 x=", seen);

        host.Add("app", GatewayHost.Program());
        using var invoke = new HttpRequestMessage(HttpMethod.Put, "/invoke/app/a%20b/c?d=e%2Ff") { Content = new ByteArrayContent([1]) };
        invoke.Headers.TryAddWithoutValidation("X-Own", "1");
        using var two = await host.Client.SendAsync(invoke, Cancellation);
        Assert.Equal("PUT /a%20b/c?d=e%2Ff key= type= model=app version=1 json= x=1", seen);
    }

    [Fact]
    public async Task An_answer_is_compressed_on_another_thread_than_the_one_that_brings_it()
    {
        var sink = new ThreadSink();
        var context = new DefaultHttpContext { Response = { Body = sink } };
        context.Request.Headers.AcceptEncoding = "gzip";
        using var answer = new HttpResponseMessage { Content = new ByteArrayContent(Random(500_000)) };
        answer.Content.Headers.ContentType = new("application/json");
        var compression = AnswerCompression.Begin(context, answer);
        var bytes = await answer.Content.ReadAsByteArrayAsync(Cancellation);
        Task? writing = null;

        var bringing = new Thread(() => writing = context.Response.Body.WriteAsync(bytes, Cancellation).AsTask());
        bringing.Start();
        bringing.Join();
        await writing!;
        await compression!.FinishAsync(context, isWhole: true);

        Assert.NotEmpty(sink.Writers);
        Assert.DoesNotContain(bringing, sink.Writers);
        Assert.Same(sink, context.Response.Body);
    }

    [Fact]
    public void The_encoding_is_chosen_by_name_and_weight()
    {
        Assert.Equal("gzip", AnswerCompression.Choose("deflate, gzip;q=0.5"));
        Assert.Equal("deflate", AnswerCompression.Choose("DEFLATE"));
        Assert.Null(AnswerCompression.Choose(""));
        Assert.Null(AnswerCompression.Choose("gzip;q=0.000"));
    }

    private static byte[] Random(int size)
    {
        var bytes = new byte[size];
        new Random(size).NextBytes(bytes);
        return bytes;
    }

    private sealed class ThreadSink : MemoryStream
    {
        public List<Thread> Writers { get; } = [];

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Writers.Add(Thread.CurrentThread);
            return base.WriteAsync(buffer, cancellationToken);
        }
    }

    private sealed class Unseekable(byte[] bytes) : ReadOnlyTestStream(bytes);

    /// <summary>Gives its bytes up to a point, then waits for the test.</summary>
    private sealed class PausingStream(byte[] bytes, int pauseAt) : ReadOnlyTestStream(bytes)
    {
        private readonly TaskCompletionSource _paused = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _resumed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task PausedAsync() => _paused.Task;

        public void Resume() => _resumed.TrySetResult();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Position == pauseAt)
            {
                _paused.TrySetResult();
                await _resumed.Task.WaitAsync(cancellationToken);
            }

            var room = Position < pauseAt ? (int)Math.Min(buffer.Length, pauseAt - Position) : buffer.Length;
            return await base.ReadAsync(buffer[..room], cancellationToken);
        }
    }
}
