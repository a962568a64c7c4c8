using Dormouse.Core.Endpoints;
using Dormouse.Server.Queues;

namespace Dormouse.Server.Tests.Queues;

public sealed class QueueSignalsTests
{
    private static readonly InvocationId Item = new(new Guid("00000000-0000-7000-8000-000000000001"));

    /// <summary>It may end on another server, of which nobody tells.</summary>
    [Fact]
    public void Nothing_is_kept_of_an_item_that_nobody_waits_for_any_more()
    {
        var signals = new QueueSignals();
        var first = signals.Await(Item);
        var ended = first.Ended;
        using (var second = signals.Await(Item))
        {
            Assert.Same(ended, second.Ended);
            first.Dispose();
            first.Dispose();
            using var third = signals.Await(Item);
            Assert.Same(ended, third.Ended);
        }

        using var later = signals.Await(Item);

        Assert.NotSame(ended, later.Ended);
    }

    [Fact]
    public async Task Who_leaves_after_the_end_takes_nothing_from_who_waits_for_the_next()
    {
        var signals = new QueueSignals();
        var first = signals.Await(Item);
        signals.Ended(Item, null);
        Assert.Null(await first.Ended);
        using var next = signals.Await(Item);

        first.Dispose();
        signals.Ended(Item, null);

        Assert.Null(await next.Ended.WaitAsync(TestContext.Current.CancellationToken));
    }
}
