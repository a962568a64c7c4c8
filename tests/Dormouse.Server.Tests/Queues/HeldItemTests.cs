using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Storage.Tests.Queues;

namespace Dormouse.Server.Tests.Queues;

/// <summary>Two attempts of one invocation at the same time: the first was cancelled and still runs, the second was redriven.</summary>
public sealed class HeldItemTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_end_of_a_cancelled_attempt_leaves_the_next_one_held()
    {
        await using var host = await StartAsync(concurrency: 2);
        var held = host.Service<HeldItems>();
        var (id, first) = await SendAsync(host);
        await RedriveAsync(host, id);
        var second = await host.Driver.NextRunAsync(Cancellation);

        first.Release();
        await Conditions.UntilAsync(() => held.Counts.All == new HeldCount(1, 0), "the first attempt is over");

        Assert.True(held.Has(TenantId.Default, id));
        second.Release();
        await EndedAsync(host, id);
    }

    [Fact]
    public async Task What_an_attempt_lost_does_not_cancel_the_next_one_that_waits_for_its_slot()
    {
        await using var host = await StartAsync(concurrency: 1);
        var extension = new InMemoryQueue.Hold();
        host.Queue.HeldExtension = extension;
        var (id, first) = await SendAsync(host);
        host.Time.Advance(HeldItems.LeaseTime / 3);
        await extension.Begun.Task.WaitAsync(Cancellation);
        await RedriveAsync(host, id);
        await Conditions.UntilAsync(() => host.Service<HeldItems>().Counts.All.Running == 2 && host.Dispatch.Samples(host.Routes.Find(TenantId.Default, "app")!.Endpoint.Id) is [{ Sample.Queued: 1 }], "the second attempt waits");

        using var told = host.Service<QueueSignals>().Await(id);
        host.Queue.HeldExtension = null;
        extension.Go.SetResult();
        await told.Ended.WaitAsync(Cancellation);
        first.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        await EndedAsync(host, id);

        Assert.Equal(1, host.Queue.Find(id)!.Value.Item.Attempts);
    }

    private static async Task<GatewayHost> StartAsync(int concurrency)
    {
        var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("app", GatewayHost.Program() with { Concurrency = concurrency });
        host.Service<QueueLoop>().Start();
        return host;
    }

    private static async Task<(InvocationId Id, FakeRun Run)> SendAsync(GatewayHost host)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/app") { Content = new StringContent("x", Encoding.UTF8, "text/plain") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        using var accepted = await host.Client.SendAsync(request, Cancellation);
        return (new InvocationId(Guid.Parse(accepted.Header(DormouseHeaders.InvocationId)!)), await host.Driver.NextRunAsync(Cancellation));
    }

    private static async Task RedriveAsync(GatewayHost host, InvocationId id)
    {
        foreach (var change in (string[])["cancel", "redrive"])
        {
            using var response = await host.Client.PostAsync($"/api/v1/invocations/{id}/{change}", null, Cancellation);
            response.EnsureSuccessStatusCode();
        }
    }

    private static async Task EndedAsync(GatewayHost host, InvocationId id)
    {
        await Conditions.UntilAsync(() => host.Queue.Find(id)!.Value.Item.State == QueueState.Succeeded, "the second attempt was kept");
        await Conditions.UntilAsync(() => host.Service<HeldItems>().Counts.All == default, "nothing is held");
    }
}
