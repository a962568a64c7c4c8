using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Server.Routing;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Usage;

public sealed class ProvisionedAccountsTests
{
    private static readonly RevisionSpec Two = GatewayHost.Spec() with { Provisioned = 2, MaxInstances = 3 };

    /// <summary>The timer fires a millisecond after the fifth minute.</summary>
    private static readonly TimeSpan FiveMinutes = TimeSpan.FromMinutes(5) + TimeSpan.FromMilliseconds(1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_five_minutes_of_the_clock_leave_a_receipt_of_the_time_of_all_provisioned_instances()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = await WarmAsync(host, Two);

        host.Time.Advance(FiveMinutes);
        var first = await host.Journal.NextReceiptAsync(Cancellation);
        host.Time.Advance(FiveMinutes);
        var second = await host.Journal.NextReceiptAsync(Cancellation);

        Assert.Equal((ReceiptLine.ProvisionedTime, route.Revisions[0].Id, 0L, 64), (first.Line, first.Revision, first.Instance, first.MemoryMib));
        Assert.Equal((2 * 300_001_000L, 2 * 300_001L), (first.MeteredMicroseconds, first.BilledMilliseconds));
        Assert.Equal(Pricing.PricePico(PriceBook.Default, first.BilledMilliseconds, 64, ReceiptLine.ProvisionedTime), first.PricePico);
        Assert.Equal(new DateTimeOffset(2026, 3, 1, 12, 5, 0, 1, TimeSpan.Zero), second.StartedAt);
        Assert.Equal(2 * 300_001_000L, second.MeteredMicroseconds);
    }

    [Fact]
    public async Task A_call_on_them_says_so_in_its_receipt_and_a_burst_above_them_is_on_demand()
    {
        await using var host = await GatewayHost.StartAsync();
        await WarmAsync(host, Two with { Provisioned = 1, MaxInstances = 2 });
        host.Driver.HoldRuns();

        var calls = new List<Task<HttpResponseMessage>> { host.InferAsync("digits") };
        var inner = await host.Driver.NextRunAsync(Cancellation);
        calls.Add(host.InferAsync("digits"));
        await host.Driver.NextStartAsync(Cancellation);
        var above = await host.Driver.NextRunAsync(Cancellation);
        host.Time.Advance(TimeSpan.FromMilliseconds(1));
        inner.Release();
        above.Release();
        await Task.WhenAll(calls);

        var lines = host.Journal.Receipts.OrderBy(r => r.Sequence).Select(r => r.Line);
        Assert.Equal([ReceiptLine.Provisioned, ReceiptLine.OnDemand], lines);
    }

    [Fact]
    public async Task A_stop_writes_what_there_was_and_nothing_is_paid_for_until_the_next_call()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = await WarmAsync(host, Two);
        host.Time.Advance(TimeSpan.FromSeconds(3));

        await host.Dispatch.StopAsync(route.Endpoint.Id, Cancellation);

        Assert.Equal(2 * 3_000_000L, (await host.Journal.NextReceiptAsync(Cancellation)).MeteredMicroseconds);
        host.Time.Advance(TimeSpan.FromHours(1));
        Assert.Single(host.Journal.Receipts);
        Assert.Equal(0, host.Journal.OpenCount);
    }

    [Fact]
    public async Task The_end_of_the_server_writes_what_there_was()
    {
        await using var host = await GatewayHost.StartAsync();
        await WarmAsync(host, Two);
        host.Time.Advance(TimeSpan.FromSeconds(7));

        await host.StopAsync();

        Assert.Equal(2 * 7_000_000L, Assert.Single(host.Journal.Receipts).MeteredMicroseconds);
    }

    [Fact]
    public async Task While_the_journal_is_full_the_time_is_carried_on()
    {
        await using var host = await GatewayHost.StartAsync();
        await WarmAsync(host, Two);
        host.Journal.IsFull = true;
        host.Time.Advance(FiveMinutes);
        Assert.Equal(2 * 300_001_000L, (await host.Journal.NextReceiptAsync(Cancellation)).MeteredMicroseconds);

        // The stretch that began while it was full has no room.
        host.Time.Advance(FiveMinutes);
        host.Journal.IsFull = false;
        host.Time.Advance(FiveMinutes);

        Assert.Equal(4 * 300_001_000L, (await host.Journal.NextReceiptAsync(Cancellation)).MeteredMicroseconds);
    }

    [Fact]
    public async Task Starts_that_fail_are_not_paid_for()
    {
        await using var host = await GatewayHost.StartAsync(prepare: driver => driver.IsReadyAtOnce = false);
        var route = host.Add("digits", Two);
        host.Dispatch.TrafficChanged(route.Endpoint, route.Revisions, []);
        await host.Driver.NextStartAsync(Cancellation);

        host.Time.Advance(TimeSpan.FromSeconds(30));
        await host.StopAsync();

        Assert.All(host.Journal.Receipts, r => Assert.Equal((ReceiptLine.ProvisionedTime, 0L, 0L), (r.Line, r.MeteredMicroseconds, r.PricePico)));
    }

    private static async Task<EndpointRoute> WarmAsync(GatewayHost host, RevisionSpec spec)
    {
        var route = host.Add("digits", spec);
        host.Dispatch.TrafficChanged(route.Endpoint, route.Revisions, []);
        for (var i = 0; i < spec.Provisioned; i++)
        {
            await host.Driver.NextStartAsync(Cancellation);
        }

        await Conditions.UntilAsync(
            () => host.Dispatch.Samples(route.Endpoint.Id) is [var sample] && sample.Sample.Instances.Count(i => i.IsProvisioned) == spec.Provisioned, "all are ready");
        return route;
    }
}
