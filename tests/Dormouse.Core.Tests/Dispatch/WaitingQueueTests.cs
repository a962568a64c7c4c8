using CsCheck;
using Dormouse.Core.Dispatch;

namespace Dormouse.Core.Tests.Dispatch;

public sealed class WaitingQueueTests
{
    private static readonly Gen<(int What, int Pick, int Deadline)[]> Steps =
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, 30], Gen.Int[1, 60]).Array[0, 120];

    [Fact]
    public void A_ticket_waits_once()
    {
        var queue = new WaitingQueue();
        queue.Add(Make(1, 10, false));

        Assert.Throws<ArgumentException>(() => queue.Add(Make(1, 10, false)));
    }

    [Fact]
    public void It_behaves_like_a_plain_list() => Steps.Sample(steps =>
    {
        var queue = new WaitingQueue();
        var list = new List<Waiter>();
        var (ticket, now, passed) = (0L, 0L, 0);
        foreach (var (what, pick, deadline) in steps)
        {
            switch (what)
            {
                case <= 4:
                    var waiter = Make(++ticket, now + deadline, isRetry: what == 0, priority: what % 3, isDeferred: pick % 3 == 0);
                    var before = list.Count(w => w.Class <= waiter.Class);
                    Assert.Equal(before, queue.CountBefore(waiter));
                    queue.Add(waiter);
                    list.Insert(before, waiter);
                    break;
                case <= 6:
                    Assert.Equal(list.Count > 0, queue.TryTakeFirst(out var first));
                    if (list.Count > 0)
                    {
                        var deferred = list.FindIndex(w => w.Class == WaitingQueue.DeferredClass);
                        var next = deferred > 0 && ++passed < CallerWishes.DeferredShare ? 0 : Math.Max(0, deferred);
                        Assert.Equal(list[next], first);
                        passed = list[next].Class == WaitingQueue.DeferredClass ? 0 : passed;
                        list.RemoveAt(next);
                    }

                    break;
                case 7:
                    Assert.Equal(list.RemoveAll(w => w.Ticket == pick) == 1, queue.Remove(pick));
                    break;
                default:
                    now += pick;
                    var expired = new List<Waiter>();
                    queue.TakeExpired(new MonotonicTime(now), expired);
                    Assert.Equal(list.Where(w => w.Deadline.Ticks <= now), expired);
                    list.RemoveAll(w => w.Deadline.Ticks <= now);
                    break;
            }

            passed = list.Exists(w => w.Class == WaitingQueue.DeferredClass) ? passed : 0;
            Assert.Equal((list.Count, list.Sum(w => w.BodyBytes)), (queue.Count, queue.BodyBytes));
            Assert.True(queue.EarliestDeadline <= (list.Count == 0 ? MonotonicTime.Never : list.Min(w => w.Deadline)));
            Assert.Equal(list.Count == 0, queue.EarliestDeadline == MonotonicTime.Never);
        }

        var all = new List<Waiter>();
        queue.TakeAll(all);
        Assert.Equal(list, all);
        Assert.Equal((0, 0L), (queue.Count, queue.BodyBytes));
    });

    [Fact]
    public void While_deferred_ones_wait_one_of_ten_slots_is_theirs()
    {
        var queue = new WaitingQueue();
        for (var ticket = 1; ticket <= 40; ticket++)
        {
            queue.Add(Make(ticket, 1_000, isRetry: ticket == 1, priority: ticket % 3, isDeferred: ticket > 36));
        }

        var taken = new List<long>();
        while (queue.TryTakeFirst(out var waiter))
        {
            taken.Add(waiter.Ticket);
        }

        Assert.Equal([10, 20, 30, 40], taken.Select((t, i) => (Ticket: t, Place: i + 1)).Where(t => t.Ticket > 36).Select(t => t.Place));
        Assert.Equal(37, taken[9]);
    }

    private static Waiter Make(long ticket, long deadline, bool isRetry, int priority = 1, bool isDeferred = false) =>
        new(ticket, default, ticket, new MonotonicTime(deadline), ticket * 3, isRetry, CallerWishes.None with { Priority = (QueuePriority)priority, IsDeferred = isDeferred });
}
