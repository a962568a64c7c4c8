using System.Security.Cryptography;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Overflow;
using Dormouse.Core.Usage;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Server.Tests.Overflow;

/// <summary>Bodies over 1 MiB, of which the gateway has only the beginning when it knows that there is no slot.</summary>
public sealed class LargeBodyTests : IAsyncLifetime
{
    private const int Bytes = 3 << 20;

    private GatewayHost _here = null!;
    private GatewayHost _there = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _here = await GatewayHost.StartAsync();
        _there = await GatewayHost.StartAsync(serverId: new("01990000-0000-7000-8000-000000000002"));
        _here.Driver.HoldRuns();
        _there.Driver.Play = AnswerHashAsync;
        _there.Add("digits", isPublic: true);
    }

    public async ValueTask DisposeAsync()
    {
        await _here.DisposeAsync();
        await _there.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_over_a_mebibyte_goes_whole_declared_or_chunked(bool isDeclared)
    {
        await using var full = await FullEndpoint.MakeAsync(_here, Spec(Authority(_there)));
        var body = Random();

        using var answer = await SendAsync(_here, body, isDeclared);

        Assert.Equal(SHA256.HashData(body), await answer.Content.ReadAsByteArrayAsync(Cancellation));
        Assert.Equal("overflow", answer.Header("Dormouse-Start"));
    }

    [Fact]
    public async Task One_that_nobody_takes_goes_on_waiting_and_is_run_here_whole()
    {
        await using var small = await GatewayHost.StartAsync(new() { ["DORMOUSE_MACHINE__MEMORY"] = "64MiB" });
        small.Driver.HoldRuns();
        small.Add("other");
        var route = small.Add("digits", Spec(Nobody()));
        var body = Random();
        var busy = small.InferAsync("other");
        var running = await small.Driver.NextRunAsync(Cancellation);

        var call = SendAsync(small, body, isDeclared: true);
        await Conditions.UntilAsync(() => small.Dispatch.Samples(route.Endpoint.Id).Sum(s => s.Sample.Queued) == 1, "it waits");
        small.Time.Advance(TimeSpan.FromMilliseconds(500));
        await Conditions.UntilAsync(() => small.Service<Dormouse.Server.Overflow.OverflowLanes>().Infos(route.Revisions)?[0].NotTaken == 1, "nobody took it");
        small.Driver.Play = AnswerHashAsync;
        running.Release();
        (await busy).Dispose();
        using var answer = await call;

        Assert.Equal(SHA256.HashData(body), await answer.Content.ReadAsByteArrayAsync(Cancellation));
        Assert.StartsWith("cold", answer.Header("Dormouse-Start"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_already_streams_to_an_instance_is_not_sent_on_when_that_ends()
    {
        _here.Add("digits", Spec(Authority(_there)));
        var call = SendAsync(_here, Random(), isDeclared: true);
        var run = await _here.Driver.NextRunAsync(Cancellation);

        await _here.Driver.LoseAsync(run.Instance.Id, InstanceLossKind.Crashed);
        using var answer = await call;

        Assert.Equal("worker_crashed", await answer.CodeAsync());
        Assert.Equal(0, _there.Driver.Started);
    }

    [Fact]
    public async Task One_over_the_servers_limit_is_refused_and_counts_nothing_against_the_address()
    {
        await using var strict = await GatewayHost.StartAsync(new() { ["DORMOUSE_SERVER__BODY_LIMIT"] = "2MiB" });
        strict.Driver.HoldRuns();
        await using var full = await FullEndpoint.MakeAsync(strict, Spec(Authority(_there)));

        for (var i = 0; i < OverflowHealth.FailuresMax; i++)
        {
            using var refused = await SendAsync(strict, Random(), isDeclared: false);
            Assert.Equal("body_too_large", await refused.CodeAsync());
        }

        using var answer = await strict.InferAsync("digits");
        Assert.Equal("overflow", answer.Header("Dormouse-Start"));
        Assert.Single(strict.Journal.Receipts, r => (r.Start, r.Outcome) == (StartKind.Overflow, Outcome.Completed));
    }

    private static Task AnswerHashAsync(FakeRun run) => FakeInstance.AnswerAsync(run.Context, 200, "application/octet-stream", SHA256.HashData(run.Body));

    private static RevisionSpec Spec(string url) => GatewayHost.Spec() with { QueueLimit = 1, Overflow = new OverflowPolicy(url, 5, null, null) };

    private static string Authority(GatewayHost host) => host.Http.GetLeftPart(UriPartial.Authority);

    private static string Nobody() => $"http://127.0.0.1:{FreePort.Next()}";

    private static async Task<HttpResponseMessage> SendAsync(GatewayHost host, byte[] body, bool isDeclared)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = isDeclared ? new ByteArrayContent(body) : new StreamContent(new Unseekable(body)) };
        request.Headers.TransferEncodingChunked = !isDeclared;
        return await host.Client.SendAsync(request, Cancellation);
    }

    private static byte[] Random()
    {
        var bytes = new byte[Bytes];
        new Random(Bytes).NextBytes(bytes);
        return bytes;
    }

    private sealed class Unseekable(byte[] bytes) : ReadOnlyTestStream(bytes);
}
