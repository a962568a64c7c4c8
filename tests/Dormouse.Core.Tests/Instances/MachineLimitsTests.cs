using CsCheck;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Instances;

/// <summary>Starts in a time and reserved cores: what bounds starts beside memory.</summary>
public sealed class MachineLimitsTests
{
    private readonly ArbiterEffects _effects = new();
    private MonotonicTime _now = new(TimeSpan.TicksPerHour);

    [Fact]
    public void A_seconds_worth_of_starts_begins_at_once_and_the_next_in_time()
    {
        var arbiter = new MachineArbiter(new MachineLimits(10_000, 100) { StartsPerSecond = 4 });
        for (var i = 1; i <= 6; i++)
        {
            arbiter.Request(Id(i), TenantId.Default, new InstanceNeed(1), _now, _effects);
        }

        Assert.Equal([Id(1), Id(2), Id(3), Id(4)], _effects.Admitted);
        Assert.Equal(HoldReason.StartRate, arbiter.Hold(_now));
        Assert.Equal(_now + TimeSpan.FromMilliseconds(250), _effects.LookAgainAt);

        After(250, () => arbiter.Look(_now, _effects));
        Assert.Equal([Id(5)], _effects.Admitted);
        Assert.Equal(_now + TimeSpan.FromMilliseconds(250), _effects.LookAgainAt);

        After(249, () => arbiter.Look(_now, _effects));
        Assert.Empty(_effects.Admitted);
        After(1, () => arbiter.Look(_now, _effects));
        Assert.Equal([Id(6)], _effects.Admitted);
        Assert.Equal(MonotonicTime.Never, _effects.LookAgainAt);
        Assert.Null(arbiter.Hold(_now));
    }

    [Fact]
    public void Less_than_one_a_second_is_one_at_once_and_then_a_pause()
    {
        var arbiter = new MachineArbiter(new MachineLimits(10_000, 100) { StartsPerSecond = 0.1 });
        arbiter.Request(Id(1), TenantId.Default, new InstanceNeed(1), _now, _effects);
        arbiter.Request(Id(2), TenantId.Default, new InstanceNeed(1), _now, _effects);

        Assert.Equal([Id(1)], _effects.Admitted);
        Assert.Equal(_now + TimeSpan.FromSeconds(10), _effects.LookAgainAt);
    }

    [Fact]
    public void Nobody_is_taken_back_before_the_start_may_begin()
    {
        var arbiter = new MachineArbiter(new MachineLimits(100, 100) { StartsPerSecond = 1 });
        arbiter.Request(Id(1), TenantId.Default, new InstanceNeed(100), _now, _effects);
        After(10, () => arbiter.Idle(Id(1), 0, _now, _effects));

        After(10, () => arbiter.Request(Id(2), TenantId.Default, new InstanceNeed(100), _now, _effects));
        Assert.Empty(_effects.Evicted);
        After(980, () => arbiter.Look(_now, _effects));
        Assert.Equal([Id(1)], _effects.Evicted);
    }

    [Fact]
    public void A_start_that_nobody_waits_for_counts_and_is_declined_out_of_turn()
    {
        var arbiter = new MachineArbiter(new MachineLimits(100, 100) { StartsPerSecond = 1 });

        Assert.True(arbiter.TryRequestSpare(Id(1), TenantId.Default, new InstanceNeed(1), _now));
        Assert.False(arbiter.TryRequestSpare(Id(2), TenantId.Default, new InstanceNeed(1), _now));
        Assert.True(arbiter.TryRequestSpare(Id(2), TenantId.Default, new InstanceNeed(1), _now + TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void A_start_waits_for_cores_that_are_reserved_for_others()
    {
        var arbiter = new MachineArbiter(new MachineLimits(10_000, 100) { CpuMillis = 2_000 });
        arbiter.Request(Id(1), TenantId.Default, new InstanceNeed(1, 1_500), _now, _effects);
        arbiter.Request(Id(2), TenantId.Default, new InstanceNeed(1, 600), _now, _effects);
        arbiter.Request(Id(3), TenantId.Default, new InstanceNeed(1), _now, _effects);

        // Nobody passes, as with memory: who reserves much is not to starve behind small ones.
        Assert.Equal([Id(1)], _effects.Admitted);
        Assert.Equal(HoldReason.Cpu, arbiter.Hold(_now));
        Assert.Equal(1_500, arbiter.UsedCpuMillis);

        After(1, () => arbiter.Released(Id(1), _now, _effects));
        Assert.Equal([Id(2), Id(3)], _effects.Admitted);
    }

    [Fact]
    public void Of_idle_ones_only_those_go_that_have_reserved_something()
    {
        var arbiter = new MachineArbiter(new MachineLimits(10_000, 100) { CpuMillis = 1_000 });
        foreach (var (number, reserved) in ((long, int)[])[(1, 0), (2, 400), (3, 600)])
        {
            arbiter.Request(Id(number), TenantId.Default, new InstanceNeed(1, reserved), _now, _effects);
            arbiter.Idle(Id(number), number, _now, _effects);
        }

        After(1, () => arbiter.Request(Id(4), TenantId.Default, new InstanceNeed(1, 300), _now, _effects));

        Assert.Equal([Id(2)], _effects.Evicted);
        Assert.Empty(_effects.Admitted);
        After(1, () => arbiter.Released(Id(2), _now, _effects));
        Assert.Equal([Id(4)], _effects.Admitted);
    }

    [Fact]
    public void Busy_ones_give_way_for_cores_after_a_turn()
    {
        var arbiter = new MachineArbiter(new MachineLimits(10_000, 100) { CpuMillis = 1_000 });
        arbiter.Request(Id(1), TenantId.Default, new InstanceNeed(1, 1_000), _now, _effects);
        arbiter.StartEnded(Id(1), _now, _effects);
        var other = new InstanceId(new RevisionId(new EndpointId(Guid.AllBitsSet), 1), 7);
        arbiter.Request(other, TenantId.Default, new InstanceNeed(1, 1), _now, _effects);

        After(10_000, () => arbiter.Press(other, _now, _effects));

        Assert.Equal([Id(1)], _effects.GivingWay);
    }

    [Fact]
    public void More_cores_than_there_are_can_never_be_reserved()
    {
        var arbiter = new MachineArbiter(new MachineLimits(10_000, 100) { CpuMillis = 1_000 });

        arbiter.Request(Id(1), TenantId.Default, new InstanceNeed(1, 1_001), _now, _effects);

        Assert.Equal([Id(1)], _effects.Impossible);
    }

    /// <summary>Whatever is asked for and when: no budget is exceeded, no stretch of time sees more starts than it may, and whoever waits for nothing but time has a look coming.</summary>
    [Fact]
    public void No_budget_is_exceeded_and_no_start_is_forgotten() =>
        Gen.Select(Gen.Double[0.2, 30], Gen.Int[1, 4], Gen.Select(Gen.Int[0, 5], Gen.Int[0, 30], Gen.Int[1, 60], Gen.Int[0, 700]).Array[1, 120]).Sample((rate, atOnce, steps) =>
        {
            var arbiter = new MachineArbiter(new MachineLimits(100, atOnce) { StartsPerSecond = rate, CpuMillis = 1_000 });
            var effects = new ArbiterEffects();
            var (now, looksAt) = (new MonotonicTime(0), MonotonicTime.Never);
            var waiting = new Dictionary<InstanceId, InstanceNeed>();
            var held = new Dictionary<InstanceId, InstanceNeed>();
            var starting = new HashSet<InstanceId>();
            var began = new List<MonotonicTime>();
            var next = 0L;
            foreach (var (what, pick, memory, extra) in steps)
            {
                effects.Clear();
                var id = Id((pick % Math.Max(1, next)) + 1);
                switch (what)
                {
                    case 0 or 1:
                        waiting.Add(Id(++next), new InstanceNeed(memory, extra));
                        arbiter.Request(Id(next), TenantId.Default, new InstanceNeed(memory, extra), now, effects);
                        break;
                    case 2:
                        now += TimeSpan.FromMilliseconds(extra);
                        arbiter.Look(now, effects);
                        looksAt = looksAt <= now ? MonotonicTime.Never : looksAt;
                        break;
                    case 3 when held.ContainsKey(id):
                        starting.Remove(id);
                        arbiter.Idle(id, memory, now, effects);
                        break;
                    case 4 when held.ContainsKey(id):
                        starting.Remove(id);
                        arbiter.StartEnded(id, now, effects);
                        break;
                    case 5 when held.ContainsKey(id) || waiting.ContainsKey(id):
                        held.Remove(id);
                        waiting.Remove(id);
                        starting.Remove(id);
                        arbiter.Released(id, now, effects);
                        break;
                }

                foreach (var admitted in effects.Admitted)
                {
                    held.Add(admitted, waiting[admitted]);
                    waiting.Remove(admitted);
                    starting.Add(admitted);
                    began.Add(now);
                }

                looksAt = effects.LookAgainAt < looksAt ? effects.LookAgainAt : looksAt;
                Assert.InRange(held.Values.Sum(n => n.MemoryMib), 0, 100);
                Assert.InRange(held.Values.Sum(n => n.CpuMillis), 0, 1_000);
                Assert.InRange(starting.Count, 0, atOnce);
                Assert.Equal(held.Values.Sum(n => (long)n.CpuMillis), arbiter.UsedCpuMillis);
                for (var i = 0; i < began.Count; i++)
                {
                    Assert.True(began.Count - i <= Math.Max(1, Math.Floor(rate)) + ((now - began[i]).TotalSeconds * rate) + 1e-6, "too many starts in a time");
                }

                Assert.True(arbiter.Hold(now) != HoldReason.StartRate || looksAt > now && looksAt != MonotonicTime.Never, "a start waits for time and nobody looks");
            }
        });

    private static InstanceId Id(long number) => new(new RevisionId(default, 1), number);

    private void After(int milliseconds, Action act)
    {
        _now += TimeSpan.FromMilliseconds(milliseconds);
        _effects.Clear();
        act();
    }
}
