using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Gateway;

namespace Dormouse.Server.Tests.Gateway;

public sealed class RetryTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_caller_who_leaves_while_the_retry_gets_its_slot_gives_it_back()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.IsReadyAtOnce = false;
        var route = host.Add("digits");
        using var left = new CancellationTokenSource();
        var invocation = new Invocation(new InvocationId(Guid.CreateVersion7()), route.Endpoint, route.Revisions[0], host.Time.GetTimestamp());
        var exchange = new LeavingExchange(host, left);

        var end = await host.Service<InvocationRunner>().RunAsync(invocation, exchange, left.Token);

        Assert.IsType<RunEnd.CallerLeft>(end);
        Assert.Equal(1, exchange.Sent);
        Assert.Equal((Outcome.CallerLeft, 0, 0L), Assert.Single(host.Journal.Receipts) is var r ? (r.Outcome, r.Status, r.MeteredMicroseconds) : default);
        Assert.Equal(0, host.Dispatch.Samples(route.Endpoint.Id).Sum(s => s.Sample.Queued + s.Sample.Running));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_slot_that_came_while_reading_the_body_failed_is_given_back(bool hasCallerLeft)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.IsReadyAtOnce = false;
        var route = host.Add("digits");
        using var left = new CancellationTokenSource();
        var invocation = new Invocation(new InvocationId(Guid.CreateVersion7()), route.Endpoint, route.Revisions[0], host.Time.GetTimestamp());
        var running = host.Service<InvocationRunner>().RunAsync(invocation, new ThrowingExchange(host, hasCallerLeft ? left : null), left.Token).AsTask();

        if (hasCallerLeft)
        {
            Assert.IsType<RunEnd.CallerLeft>(await running);
        }
        else
        {
            await Assert.ThrowsAsync<IOException>(() => running);
        }

        Assert.Equal(0, host.Dispatch.Samples(route.Endpoint.Id).Sum(s => s.Sample.Queued + s.Sample.Running));
    }

    /// <summary>Reading on fails when the slot has just come.</summary>
    private sealed class ThrowingExchange(GatewayHost host, CancellationTokenSource? left) : Exchange
    {
        public override long BodyBytes => 2 << 20;

        public override bool CanRepeat => false;

        public override bool MayFailWaiting => true;

        public override async ValueTask<bool> WhileWaitingAsync(Task<SlotResult> grant)
        {
            await host.Driver.MakeReadyAsync((await host.Driver.NextStartAsync(Cancellation)).Instance);
            await grant;
            if (left is null)
            {
                throw new IOException("the body cannot be read");
            }

            await left.CancelAsync();
            throw new OperationCanceledException(left.Token);
        }

        public override ValueTask<AttemptEnd> SendAsync(InvocationRun run, CancellationToken deadline) => throw new InvalidOperationException("It has no body to send.");
    }

    /// <summary>Its first instance crashes; its caller leaves at the moment that the retry has a slot.</summary>
    private sealed class LeavingExchange(GatewayHost host, CancellationTokenSource left) : Exchange
    {
        public int Sent { get; private set; }

        public override long BodyBytes => 2;

        public override bool CanRepeat => true;

        public override async ValueTask<bool> WhileWaitingAsync(Task<SlotResult> grant)
        {
            await host.Driver.MakeReadyAsync((await host.Driver.NextStartAsync(Cancellation)).Instance);
            await grant;
            if (Sent > 0)
            {
                await left.CancelAsync();
            }

            return true;
        }

        public override async ValueTask<AttemptEnd> SendAsync(InvocationRun run, CancellationToken deadline)
        {
            Sent++;
            await host.Driver.LoseAsync(run.Invocation.Grant.Lease.Instance, InstanceLossKind.Crashed);
            return AttemptEnd.Broken;
        }
    }
}
