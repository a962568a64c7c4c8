using System.Net;
using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Overflow;

/// <summary>The endpoint 'digits' with one run and one that waits: the next finds its queue full. In the end both must be answered here.</summary>
internal sealed class FullEndpoint : IAsyncDisposable
{
    private readonly GatewayHost _host;
    private readonly FakeRun _running;
    private readonly Task<HttpResponseMessage>[] _answers;

    private FullEndpoint(GatewayHost host, FakeRun running, Task<HttpResponseMessage> first, Task<HttpResponseMessage> second) =>
        (_host, _running, _answers) = (host, running, [first, second]);

    /// <param name="spec">With a queue of one and one slot.</param>
    public static async Task<FullEndpoint> MakeAsync(GatewayHost host, RevisionSpec spec, bool isPublic = false)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var route = host.Add("digits", spec, isPublic: isPublic);
        var path = spec.Runtime == "program" ? "/invoke/digits/x" : "/v2/models/digits/infer";
        Task<HttpResponseMessage> SendAsync() => host.Client.PostAsync(path, new StringContent("{\"inputs\":[]}", Encoding.UTF8, "application/json"), cancellation);
        var first = SendAsync();
        var running = await host.Driver.NextRunAsync(cancellation);
        var second = SendAsync();
        await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id).Sum(s => s.Sample.Queued) == 1, "the second waits");
        return new FullEndpoint(host, running, first, second);
    }

    public async ValueTask DisposeAsync()
    {
        _running.Release();
        (await _host.Driver.NextRunAsync(TestContext.Current.CancellationToken)).Release();
        foreach (var task in _answers)
        {
            using var answer = await task;
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Null(answer.Header("Dormouse-Overflow"));
        }
    }
}
