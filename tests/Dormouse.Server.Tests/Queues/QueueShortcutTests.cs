using System.Net;
using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Storage;

namespace Dormouse.Server.Tests.Queues;

/// <summary>Items that are taken by the transaction that accepts them, and those that wait for their turn.</summary>
public sealed class QueueShortcutTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_can_run_at_once_is_taken_where_it_is_accepted_also_beside_what_is_delayed()
    {
        await using var host = await StartAsync();
        using var delayed = await SendAsync(host, (DormouseHeaders.Delay, "1h"));
        await OpenAsync(host);
        var leases = host.Queue.LeaseCalls;

        using var accepted = await SendAsync(host);
        using var result = await host.Client.GetAsync(accepted.Header("Location") + "/result?wait=30s", Cancellation);

        Assert.Equal((HttpStatusCode.OK, "answer"), (result.StatusCode, await result.Content.ReadAsStringAsync(Cancellation)));
        Assert.Equal(leases, host.Queue.LeaseCalls);
        var item = host.Queue.Find(Id(accepted))!.Value.Item;
        Assert.Equal((QueueState.Succeeded, 1L, 1), (item.State, item.Fence, item.Attempts));
        Assert.Equal(QueueState.Queued, host.Queue.Find(Id(delayed))!.Value.Item.State);
    }

    [Fact]
    public async Task What_has_a_group_or_one_attempt_only_waits_for_its_turn()
    {
        await using var host = await StartAsync();
        foreach (var (name, value) in ((string, string)[])[(DormouseHeaders.Group, "g"), (DormouseHeaders.Attempts, "1")])
        {
            var leases = host.Queue.LeaseCalls;
            await OpenAsync(host);

            using var accepted = await SendAsync(host, (name, value));
            using var result = await host.Client.GetAsync(accepted.Header("Location") + "/result?wait=30s", Cancellation);

            Assert.Equal(HttpStatusCode.OK, result.StatusCode);
            Assert.True(host.Queue.LeaseCalls > leases, $"{name}: {value} was taken without being leased.");
        }
    }

    [Fact]
    public async Task What_a_store_took_and_did_not_say_is_given_back_and_runs()
    {
        await using var host = await StartAsync();
        await OpenAsync(host);

        host.Queue.FaultAfterAccepting = new StoreUnavailableException();
        using var refused = await SendAsync(host);
        var id = Id(refused);
        var taken = host.Queue.Find(id)!.Value.Item;
        host.Queue.FaultAfterAccepting = null;
        host.Service<QueueSignals>().Freed();
        await Conditions.UntilAsync(() => host.Queue.Find(id)!.Value.Item.State == QueueState.Succeeded, "it has run");

        Assert.Equal((HttpStatusCode.ServiceUnavailable, "queue_unavailable"), (refused.StatusCode, await refused.CodeAsync()));
        Assert.Equal(QueueState.Leased, taken.State);
        Assert.Equal(1, host.Queue.Find(id)!.Value.Item.Attempts);
        Assert.Equal(default, host.Service<HeldItems>().Counts.All);
    }

    private static async Task<GatewayHost> StartAsync()
    {
        var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "text/plain", "answer"u8.ToArray());
        host.Add("app", GatewayHost.Program());
        host.Service<QueueLoop>().Start();
        return host;
    }

    private static Task OpenAsync(GatewayHost host) => Conditions.UntilAsync(() => host.Service<QueueShortcut>().IsOpen, "nothing waits");

    private static InvocationId Id(HttpResponseMessage response) => new(Guid.Parse(response.Header(DormouseHeaders.InvocationId)!));

    private static async Task<HttpResponseMessage> SendAsync(GatewayHost host, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/app") { Content = new StringContent("x", Encoding.UTF8, "text/plain") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        return await host.Client.SendAsync(request, Cancellation);
    }
}
