using CsCheck;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Instances;

public sealed class MachineArbiterTests
{
    private readonly ArbiterEffects _effects = new();
    private readonly MachineArbiter _arbiter = new(new MachineLimits(1_000, 2));

    [Fact]
    public void A_start_that_fits_is_admitted_at_once()
    {
        Request(1, 400);

        Assert.Equal([Id(1)], _effects.Admitted);
        Assert.Equal(400, _arbiter.UsedMib);
    }

    [Fact]
    public void No_more_starts_than_allowed_are_under_way_at_once()
    {
        Request(1, 100);
        Request(2, 100);
        Request(3, 100);
        Assert.Empty(_effects.Admitted);

        Do(() => _arbiter.StartEnded(Id(1), default, _effects));

        Assert.Equal([Id(3)], _effects.Admitted);
    }

    [Fact]
    public void A_start_larger_than_the_budget_is_impossible_and_forgotten()
    {
        Request(1, 1_001);

        Assert.Equal([Id(1)], _effects.Impossible);
        Assert.Equal((0, 0), (_arbiter.UsedMib, _arbiter.WaitingCount));
    }

    [Fact]
    public void A_small_start_does_not_pass_a_larger_one_that_came_before()
    {
        Ready(1, 600);
        Request(2, 500);
        Request(3, 100);
        Assert.Empty(_effects.Admitted);

        Release(1);

        Assert.Equal([Id(2), Id(3)], _effects.Admitted);
    }

    [Fact]
    public void Among_equals_the_longest_idle_are_taken_back_and_only_as_many_as_are_needed()
    {
        foreach (var number in (int[])[1, 2, 3])
        {
            Ready(number, 300);
        }

        Idle(2);
        Idle(1);
        Idle(3);

        Request(4, 500);

        Assert.Equal([Id(2), Id(1)], _effects.Evicted);
        Release(2);
        Assert.Empty(_effects.Evicted);
        Assert.Empty(_effects.Admitted);
        Release(1);
        Assert.Equal([Id(4)], _effects.Admitted);
    }

    [Fact]
    public void The_one_that_is_worth_least_goes_first()
    {
        foreach (var number in (int[])[1, 2, 3])
        {
            Ready(number, 300);
        }

        Idle(2, worth: 5);
        Idle(1, worth: 9);
        Idle(3, worth: 0.5);

        Request(4, 300);
        Assert.Equal([Id(3)], _effects.Evicted);
        Release(3);
        Request(5, 300);
        Assert.Equal([Id(2)], _effects.Evicted);
    }

    [Fact]
    public void What_was_worth_much_once_grows_old_as_others_go()
    {
        Ready(1, 500);
        Idle(1, worth: 10);
        var rounds = 0;
        for (var number = 2; ; number++, rounds++)
        {
            // Others of little worth come and go in the other half of the memory.
            Request(number, 500);
            if (_effects.Evicted.Contains(Id(1)))
            {
                break;
            }

            foreach (var gone in _effects.Evicted.ToArray())
            {
                Release(gone.Number);
            }

            Do(() => _arbiter.StartEnded(Id(number), default, _effects));
            Idle(number, worth: 1);
        }

        Assert.InRange(rounds, 8, 12);
    }

    [Fact]
    public void Nothing_is_taken_back_in_vain()
    {
        Ready(1, 300);
        Ready(2, 600);
        Idle(1);
        Request(3, 900);
        Assert.Empty(_effects.Evicted);

        Idle(2);

        Assert.Equal([Id(1), Id(2)], _effects.Evicted);
    }

    [Fact]
    public void One_that_got_work_is_not_taken_back_and_another_is_in_its_place()
    {
        Ready(1, 500);
        Ready(2, 500);
        Idle(1);
        Idle(2);
        Request(3, 500);
        Assert.Equal([Id(1)], _effects.Evicted);

        Do(() => _arbiter.Busy(Id(1), default, _effects));

        Assert.Equal([Id(2)], _effects.Evicted);
    }

    [Fact]
    public void The_restart_of_one_taken_back_waits_behind_the_start_that_took_its_place()
    {
        Ready(1, 1_000);
        Idle(1);
        Request(2, 1_000);
        Request(3, 1_000); // the victim's revision wants it back

        Release(1);

        Assert.Equal([Id(2)], _effects.Admitted);
        Do(() => _arbiter.StartEnded(Id(2), default, _effects));
        Assert.Empty(_effects.Evicted);
    }

    [Fact]
    public void A_request_can_be_taken_back_before_it_is_admitted()
    {
        Ready(1, 1_000);
        Request(2, 500);
        Request(3, 200);

        Release(2);
        Assert.Empty(_effects.Admitted);
        Release(1);

        Assert.Equal([Id(3)], _effects.Admitted);
        Assert.Equal(200, _arbiter.UsedMib);
    }

    [Fact]
    public void A_start_that_goes_while_it_starts_frees_its_turn()
    {
        Request(1, 100);
        Request(2, 100);
        Request(3, 100);

        Release(1);

        Assert.Equal([Id(3)], _effects.Admitted);
    }

    [Fact]
    public void Calls_about_strangers_and_repeated_calls_change_nothing()
    {
        Request(1, 100);
        Request(1, 100);
        Do(() => _arbiter.StartEnded(Id(1), default, _effects));
        Do(() => _arbiter.StartEnded(Id(1), default, _effects));
        Idle(1);
        Idle(1);
        Idle(9);
        Do(() => _arbiter.Busy(Id(9), default, _effects));
        Release(9);
        Release(1);
        Release(1);

        Assert.Equal(0, _arbiter.UsedMib);
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(1, 0)]
    public void Its_bounds_are_checked(long budget, int starts) => Assert.Throws<ArgumentOutOfRangeException>(() => new MachineArbiter(new MachineLimits(budget, starts)));

    [Fact]
    public void Memory_and_starts_stay_within_bounds_and_every_start_gets_its_turn_in_order() =>
        Gen.Select(Gen.Int[0, 6], Gen.Int[0, 60], Gen.Int[1, 70]).Array[1, 150].Sample(steps =>
        {
            var arbiter = new MachineArbiter(new MachineLimits(100, 2));
            var world = new World(arbiter);
            foreach (var (what, pick, memory) in steps)
            {
                world.Step(what, pick, memory);
            }

            world.Finish();
        });

    private static InstanceId Id(long number) => new(new RevisionId(default, 1), number);

    private void Do(Action act)
    {
        _effects.Clear();
        act();
    }

    private void Request(long number, int memoryMib) => Do(() => _arbiter.Request(Id(number), TenantId.Default, new InstanceNeed(memoryMib), default, _effects));

    private void Release(long number) => Do(() => _arbiter.Released(Id(number), default, _effects));

    private void Idle(long number, double worth = 0) => Do(() => _arbiter.Idle(Id(number), worth, default, _effects));

    private void Ready(long number, int memoryMib)
    {
        Request(number, memoryMib);
        Assert.Equal([Id(number)], _effects.Admitted);
        Do(() => _arbiter.StartEnded(Id(number), default, _effects));
    }

    /// <summary>Instances that start, idle, work and go as the arbiter says, with its invariants checked after each step.</summary>
    private sealed class World(MachineArbiter arbiter)
    {
        private readonly ArbiterEffects _effects = new();
        private readonly Dictionary<InstanceId, (string State, int Memory)> _instances = [];
        private readonly List<InstanceId> _order = [];
        private long _last;

        public void Step(int what, int pick, int memory)
        {
            _effects.Clear();
            var id = Id((pick % Math.Max(1, _last)) + 1);
            var (state, _) = _instances.GetValueOrDefault(id);
            switch (what)
            {
                case 0 or 1:
                    _instances[Id(++_last)] = ("waiting", memory);
                    _order.Add(Id(_last));
                    arbiter.Request(Id(_last), TenantId.Default, new InstanceNeed(memory), default, _effects);
                    break;
                case 2 when state == "starting":
                    Set(id, "busy");
                    arbiter.StartEnded(id, default, _effects);
                    break;
                case 3 when state == "busy":
                    Set(id, "idle");
                    arbiter.Idle(id, memory % 7, default, _effects);
                    break;
                case 4 when state is "idle" or "evicting":
                    Set(id, "busy");
                    arbiter.Busy(id, default, _effects);
                    break;
                case 6:
                    var fits = _order.Count == 0 && _instances.Values.Count(i => i.State == "starting") < 2 && arbiter.UsedMib + memory <= arbiter.BudgetMib;
                    Assert.Equal(fits, arbiter.TryRequestSpare(Id(++_last), TenantId.Default, new InstanceNeed(memory), default));
                    if (fits)
                    {
                        _instances[Id(_last)] = ("starting", memory);
                    }

                    break;
                case 5 when state is not null:
                    _instances.Remove(id);
                    _order.Remove(id);
                    arbiter.Released(id, default, _effects);
                    break;
            }

            Check();
        }

        /// <summary>Everything that waits is admitted once all others end.</summary>
        public void Finish()
        {
            while (_instances.Count > 0)
            {
                var any = _instances.FirstOrDefault(i => i.Value.State != "waiting");
                Assert.NotEqual(default, any.Key);
                Step(5, (int)any.Key.Number - 1, 1);
            }

            Assert.Equal((0L, 0), (arbiter.UsedMib, arbiter.WaitingCount));
        }

        private void Set(InstanceId id, string state) => _instances[id] = (state, _instances[id].Memory);

        private void Check()
        {
            Assert.Empty(_effects.Impossible);
            foreach (var admitted in _effects.Admitted)
            {
                Assert.Equal(_order[0], admitted);
                _order.RemoveAt(0);
                Set(admitted, "starting");
            }

            foreach (var evicted in _effects.Evicted)
            {
                Assert.Equal("idle", _instances[evicted].State);
                Set(evicted, "evicting");
            }

            Assert.True(_instances.Values.Count(i => i.State == "starting") <= 2);
            Assert.Equal(_instances.Values.Where(i => i.State != "waiting").Sum(i => i.Memory), arbiter.UsedMib);
            Assert.InRange(arbiter.UsedMib, 0, arbiter.BudgetMib);
            Assert.Equal(_order.Count, arbiter.WaitingCount);
        }
    }
}
