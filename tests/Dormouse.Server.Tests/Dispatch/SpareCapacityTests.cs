using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Dispatch;

public sealed class SpareCapacityTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_burst_finds_a_warm_slot_and_what_is_spare_goes_when_the_endpoint_is_no_longer_used()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("digits", GatewayHost.Spec() with { MaxInstances = 3, SpareInstances = 1, IdleTimeout = TimeSpan.FromSeconds(30) });

        var first = host.InferAsync("digits");
        var run = await host.Driver.NextRunAsync(Cancellation);
        await Conditions.UntilAsync(() => ReadyCount(host, route.Endpoint.Id) == 2, "one is spare");
        var second = host.InferAsync("digits");
        var other = await host.Driver.NextRunAsync(Cancellation);
        await Conditions.UntilAsync(() => ReadyCount(host, route.Endpoint.Id) == 3, "one is spare again");
        run.Release();
        other.Release();
        using var one = await first;
        using var two = await second;

        Assert.Equal("warm", two.Header("Dormouse-Start"));
        Assert.Equal("1 instance spare above 2 running on 2 instances of 1 slot", host.Dispatch.Changes(route.Endpoint.Id)[0].Change.Reason);
        host.Time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(3, ReadyCount(host, route.Endpoint.Id));
        host.Time.Advance(TimeSpan.FromSeconds(2));
        await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id).IsEmpty, "all are gone");
    }

    [Fact]
    public async Task Nothing_is_spare_where_the_machine_has_no_room_and_callers_are_served_all_the_same()
    {
        await using var host = await GatewayHost.StartAsync(new Dictionary<string, string> { ["DORMOUSE_MACHINE__MEMORY"] = "64MiB" });
        var route = host.Add("digits", GatewayHost.Spec() with { MaxInstances = 3, SpareInstances = 2 });

        using var answer = await host.InferAsync("digits");

        Assert.Equal(1, host.Driver.Started);
        Assert.True(answer.IsSuccessStatusCode);
        Assert.Contains("spare capacity is wanted, but the machine has no room to spare", host.Dispatch.Changes(route.Endpoint.Id).Select(c => c.Change.Reason));
    }

    private static int ReadyCount(GatewayHost host, Core.Endpoints.EndpointId endpoint) =>
        host.Dispatch.Samples(endpoint) is [var sample] ? sample.Sample.Instances.Count(i => i.State == Core.Dispatch.InstanceState.Ready) : 0;
}
