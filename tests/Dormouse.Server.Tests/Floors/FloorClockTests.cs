using Dormouse.Core.Endpoints;
using Dormouse.Server.Routing;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Floors;

/// <summary>The host's clock begins on Sunday 2026-03-01 at 12:00 UTC.</summary>
public sealed class FloorClockTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Instances_come_when_a_window_opens_and_go_when_it_has_closed()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = Add(host, "0 13 * * * UTC for 2h = 2");
        Assert.Empty(host.Dispatch.Samples(route.Endpoint.Id));

        Pass(host, Hour);
        await host.Driver.NextStartAsync(Cancellation);
        await host.Driver.NextStartAsync(Cancellation);
        await Conditions.UntilAsync(() => ReadyCount(host, route) == 2, "both are ready");
        Pass(host, Hour * 1.5);
        Assert.Equal(2, ReadyCount(host, route));
        using var answer = await host.InferAsync("digits");
        Pass(host, Hour);

        await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id).IsEmpty, "nothing is left after the window");
        Assert.Equal("warm", answer.Header("Dormouse-Start"));
        Assert.Contains("floor of 2 from 13:00 to 15:00 UTC, 0 there", host.Dispatch.Changes(route.Endpoint.Id).Select(c => c.Change.Reason));
    }

    [Fact]
    public async Task A_server_that_starts_in_mid_window_keeps_its_floor()
    {
        await using var host = await GatewayHost.StartAsync();

        var route = Add(host, "0 11 * * * UTC for 2h = 1");

        await host.Driver.NextStartAsync(Cancellation);
        Assert.Equal("floor of 1 from 11:00 to 13:00 UTC, 0 there", Assert.Single(host.Dispatch.Changes(route.Endpoint.Id)).Change.Reason);
    }

    [Fact]
    public async Task A_revision_that_lost_its_traffic_has_no_floor_until_it_has_some_again()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = Add(host, "0 11 * * * UTC for 2h = 1");
        await host.Driver.NextStartAsync(Cancellation);

        host.Dispatch.TrafficChanged(route.Endpoint, [], []);
        await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id).IsEmpty, "it is drained");
        host.Dispatch.TrafficChanged(route.Endpoint, route.Revisions, []);

        await host.Driver.NextStartAsync(Cancellation);
    }

    [Fact]
    public async Task A_deleted_endpoint_is_not_started_by_its_schedule()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = Add(host, "0 13 * * * UTC for 2h = 1");

        await host.Dispatch.RemoveAsync(route.Endpoint.Id, Cancellation);
        Pass(host, Hour * 1.5);

        Assert.Equal(0, host.Driver.Started);
    }

    [Fact]
    public async Task A_stopped_endpoint_stays_stopped_until_the_next_window()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = Add(host, "0 11 * * * UTC for 2h = 1");
        await host.Driver.NextStartAsync(Cancellation);

        await host.Dispatch.StopAsync(route.Endpoint.Id, Cancellation);
        Pass(host, TimeSpan.FromMinutes(30));
        Assert.Equal(1, host.Driver.Started);
        Pass(host, TimeSpan.FromHours(23));

        await host.Driver.NextStartAsync(Cancellation);
    }

    private static EndpointRoute Add(GatewayHost host, string floor)
    {
        Assert.True(ScheduledFloor.TryParse(floor, out var read));
        var route = host.Add("digits", GatewayHost.Spec() with { MaxInstances = 2, Floors = [read] });
        host.Dispatch.TrafficChanged(route.Endpoint, route.Revisions, []);
        return route;
    }

    /// <summary>In steps of the clock's own look, as real time would.</summary>
    private static void Pass(GatewayHost host, TimeSpan span)
    {
        for (var passed = TimeSpan.Zero; passed < span; passed += TimeSpan.FromMinutes(1))
        {
            host.Time.Advance(TimeSpan.FromMinutes(1));
        }
    }

    private static int ReadyCount(GatewayHost host, EndpointRoute route) =>
        host.Dispatch.Samples(route.Endpoint.Id) is [var sample] ? sample.Sample.Instances.Count(i => i.State == Core.Dispatch.InstanceState.Ready) : 0;
}
