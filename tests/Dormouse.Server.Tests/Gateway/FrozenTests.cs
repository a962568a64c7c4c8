using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>Instances that are frozen between calls.</summary>
public sealed class FrozenTests
{
    private static readonly TimeSpan FrozenFor = TimeSpan.FromMinutes(10);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_call_thaws_the_frozen_instance_and_says_so_in_header_and_receipt()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = await FreezeAsync(host);
        Assert.Equal(InstanceState.Frozen, Assert.Single(Assert.Single(host.Dispatch.Samples(route.Endpoint.Id)).Sample.Instances).State);

        using var client = host.NewClient();
        using var thawed = await client.PostAsync("/v2/models/digits/infer", new StringContent("{}"), Cancellation);

        Assert.Equal("cold; cause=idle; rung=thaw", thawed.Header("Dormouse-Start"));
        var receipt = await host.Journal.NextReceiptAsync(Cancellation);
        Assert.Equal((StartKind.Cold, (StartCause?)StartCause.Idle, (Rung?)Rung.Thaw, (RungReason?)null), (receipt.Start, receipt.Cause, receipt.Rung, receipt.RungReason));
        Assert.Equal((1, 0), (host.Driver.Started, host.Driver.Frozen.Count));
    }

    [Fact]
    public async Task It_is_stopped_when_it_was_frozen_long_enough()
    {
        await using var host = await GatewayHost.StartAsync();
        await FreezeAsync(host);

        host.Time.Advance(FrozenFor + TimeSpan.FromSeconds(1));

        Assert.Equal(StopReason.Idle, (await host.Driver.NextStopAsync(Cancellation)).Reason);
    }

    [Fact]
    public async Task Where_it_cannot_be_frozen_the_next_start_says_why_it_was_no_thaw()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.NoFreezer = "none in this test";
        var route = host.Add("digits", GatewayHost.Spec() with { FrozenFor = FrozenFor });
        using var first = await host.InferAsync("digits");
        await host.Journal.NextReceiptAsync(Cancellation);
        host.Time.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal(StopReason.Idle, (await host.Driver.NextStopAsync(Cancellation)).Reason);
        await host.Dispatch.StopAsync(route.Endpoint.Id, Cancellation);

        using var client = host.NewClient();
        using var next = await client.PostAsync("/v2/models/digits/infer", new StringContent("{}"), Cancellation);

        Assert.Equal("cold; cause=idle; rung=pool; why=freeze_refused", next.Header("Dormouse-Start"));
        Assert.Equal(RungReason.FreezeRefused, (await host.Journal.NextReceiptAsync(Cancellation)).RungReason);
    }

    [Fact]
    public async Task An_instance_that_does_not_survive_its_thaw_is_replaced_within_the_same_call()
    {
        await using var host = await GatewayHost.StartAsync();
        await FreezeAsync(host);
        host.Driver.LosesThawed = true;

        using var client = host.NewClient();
        using var answer = await client.PostAsync("/v2/models/digits/infer", new StringContent("{}"), Cancellation);

        Assert.Equal("cold; cause=crash; rung=pool; why=thaw_failed", answer.Header("Dormouse-Start"));
    }

    /// <summary>A first call, and time until its instance is frozen.</summary>
    private static async Task<Dormouse.Server.Routing.EndpointRoute> FreezeAsync(GatewayHost host)
    {
        var route = host.Add("digits", GatewayHost.Spec() with { FrozenFor = FrozenFor });
        using var first = await host.InferAsync("digits");
        await host.Journal.NextReceiptAsync(Cancellation);
        host.Time.Advance(TimeSpan.FromSeconds(61));
        await Conditions.UntilAsync(() => host.Driver.Frozen.Count == 1, "it is frozen");
        return route;
    }
}
