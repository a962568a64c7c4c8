using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>Instances without a limit of their own: two random choices, and a target that says how many there are.</summary>
public sealed class UnlimitedConcurrencyTests
{
    private static readonly RevisionSpec Spec = EngineHarness.Spec with { Concurrency = SpecRules.ConcurrencyMax, IsConcurrencyUnlimited = true, MaxInstances = 8, QueueTimeout = TimeSpan.FromSeconds(60) };

    [Fact]
    public void One_instance_takes_whatever_comes_up_to_what_it_may_hold()
    {
        var world = new EngineHarness(Spec with { MaxInstances = 1 });
        world.WarmUp();

        for (var i = 0; i < 1_000; i++)
        {
            world.ArriveAndGet();
        }

        world.Arrive();
        Assert.Empty(world.Effects.Grants);
        Assert.Equal(1, world.Sample.Queued);
    }

    [Fact]
    public void Beyond_the_target_another_is_started_at_once_though_nobody_waits()
    {
        // Knative's defaults: 70 % of 100.
        var world = new EngineHarness(Spec);
        world.WarmUp();
        for (var i = 0; i < 70; i++)
        {
            world.ArriveAndGet();
            Assert.Empty(world.Effects.Starts);
        }

        world.After(1_000).ArriveAndGet();

        Assert.Single(world.Effects.Starts);
        Assert.Equal("0 waiting, 71 running on 1 instance, target 70 an instance", Assert.Single(world.Effects.Changes).Reason);
    }

    [Fact]
    public void The_target_is_what_was_set()
    {
        Assert.Equal(70, Spec.SoftSlots);
        Assert.Equal(14, (Spec with { TargetConcurrency = 20 }).SoftSlots);
        Assert.Equal(10, (Spec with { TargetConcurrency = 20, TargetUtilization = 0.5 }).SoftSlots);
        Assert.Equal(1, (Spec with { TargetConcurrency = 0.01 }).SoftSlots);
        Assert.Equal(4, (Spec with { IsConcurrencyUnlimited = false, Concurrency = 4, TargetConcurrency = 2 }).SoftSlots);
    }

    [Fact]
    public void A_start_that_waits_for_room_is_taken_back_when_the_load_is_gone()
    {
        var world = new EngineHarness(Spec with { TargetConcurrency = 1, TargetUtilization = 1 });
        world.WarmUp();
        var first = world.ArriveAndGet();
        var second = world.After(1_000).ArriveAndGet();
        var start = Assert.Single(world.Effects.Starts).Instance;
        world.Apply(RevisionEvent.InstanceHeld(start));
        Assert.Empty(world.Effects.Stops);

        world.After(1).End(second);

        Assert.Equal(start, Assert.Single(world.Effects.Stops).Instance);
        world.End(first);
    }

    [Fact]
    public void Without_traffic_nothing_is_started_for_what_still_runs()
    {
        var world = new EngineHarness(Spec with { TargetConcurrency = 1, TargetUtilization = 1 });
        world.WarmUp();
        world.ArriveAndGet();
        world.ArriveAndGet();
        Assert.Empty(world.Effects.Starts);
        world.Apply(RevisionEvent.Drain(DrainReason.NoTraffic));

        world.After(1_000).Wake();

        Assert.Empty(world.Effects.Starts);
    }

    [Fact]
    public void Of_many_instances_none_is_left_out_and_none_gets_far_more_than_the_others()
    {
        var (table, choices) = Table(8);
        for (var i = 0; i < 800; i++)
        {
            choices.Choose(table, 1_000, 70)!.Take(i, new MonotonicTime(i));
        }

        // One choice at random would leave gaps of dozens; with two the fullest has a few more than the mean.
        for (var i = 0; i < table.Count; i++)
        {
            Assert.InRange(table[i].Running, 95, 105);
        }
    }

    [Fact]
    public void A_full_draining_or_starting_one_is_never_chosen()
    {
        var (table, choices) = Table(3);
        table[0].Drain(StopReason.Suspect);
        table.Add(new InstanceSlot(new InstanceId(EngineHarness.Revision, 9), StartCause.Burst, 2, default, MonotonicTime.Never));

        for (var i = 0; i < 4; i++)
        {
            var chosen = choices.Choose(table, 2, 1)!;
            Assert.Contains(chosen.Id.Number, (long[])[2, 3]);
            chosen.Take(i, default);
        }

        Assert.Null(choices.Choose(table, 2, 1));
    }

    [Fact]
    public void Provisioned_ones_get_their_share_first()
    {
        var (table, choices) = Table(3);
        table[1].IsProvisioned = true;
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(2, choices.Choose(table, 1_000, 5)!.Id.Number);
            table[1].Take(i, default);
        }

        Assert.NotEqual(2, choices.Choose(table, 1_000, 5)!.Id.Number);
    }

    [Fact]
    public void Of_idle_ones_the_longest_idle_is_never_drawn_so_that_it_can_be_stopped()
    {
        var (table, choices) = Table(4);
        for (var i = 0; i < 4; i++)
        {
            table[i].Take(i, new MonotonicTime(i));
            Assert.True(table[i].TryEnd(i, SlotEnd.Completed, new MonotonicTime(100 + i), out _, out _));
        }

        for (var i = 10; i < 200; i++)
        {
            var chosen = choices.Choose(table, 1_000, 70)!;
            Assert.NotEqual(1, chosen.Id.Number);
            chosen.Take(i, new MonotonicTime(i * 10));
            Assert.True(chosen.TryEnd(i, SlotEnd.Completed, new MonotonicTime((i * 10) + 5), out _, out _));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_choices()
    {
        List<long> Choices(long seed)
        {
            var (table, choices) = Table(6, seed);
            return [.. Enumerable.Range(0, 50).Select(i =>
            {
                var slot = choices.Choose(table, 1_000, 70)!;
                slot.Take(i, default);
                return slot.Id.Number;
            })];
        }

        Assert.Equal(Choices(3), Choices(3));
        Assert.NotEqual(Choices(3), Choices(4));
    }

    private static (InstanceTable Table, TwoChoices Choices) Table(int count, long seed = 1)
    {
        var table = new InstanceTable();
        for (var i = 1; i <= count; i++)
        {
            var slot = new InstanceSlot(new InstanceId(EngineHarness.Revision, i), StartCause.Burst, 1_000, default, MonotonicTime.Never);
            slot.BecomeReady(EngineHarness.MakeReady(slot.Id), default, i);
            table.Add(slot);
        }

        return (table, new TwoChoices(seed));
    }
}
