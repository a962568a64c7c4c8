using Dormouse.Core;
using Dormouse.Core.Instances;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Worlds;
using static Dormouse.Simulation.Tests.Worlds.TestWorlds;

namespace Dormouse.Simulation.Tests.Worlds;

public sealed class LostMachineTests
{
    private static readonly FaultPlan Losses = new() { MachineLossEvery = TimeSpan.FromSeconds(4), MachineOutage = new Spread.Always(TimeSpan.FromSeconds(1)) };

    [Fact]
    public void Everybody_is_told_once_and_calls_after_it_start_anew()
    {
        var totals = Run(Plan(60, Spec with { Concurrency = 2 }, [.. Enumerable.Range(1, 590).Select(i => i * 0.1)]) with { Faults = Losses });

        Assert.InRange(totals.MachineLosses, 5, 30);
        Assert.True(totals.LostWithMachine > 0 && totals.Unreachable > 0, $"{totals.LostWithMachine} lost, {totals.Unreachable} unreachable");
        Assert.Equal(totals.Invocations, totals.Answered + totals.LostWithMachine + totals.Unreachable + totals.Refused);
        // Nothing is warm after a loss.
        Assert.True(2 * totals.Starts > totals.MachineLosses, $"{totals.Starts} starts after {totals.MachineLosses} losses");
    }

    [Fact]
    public void What_is_to_be_kept_is_started_as_soon_as_it_is_back_and_what_is_gone_holds_nothing()
    {
        var watch = new ReturnWatch();
        var plan = Plan(60, Spec with { MinInstances = 1 }) with { Faults = Losses };

        var totals = new World(plan, watch).Run(null, TestContext.Current.CancellationToken);

        Assert.NotEmpty(watch.Returns);
        Assert.All(watch.Returns, r => Assert.Equal(1, watch.Requests.Count(q => q == r)));
        Assert.True(totals.InstanceTime < TimeSpan.FromSeconds(60 - totals.MachineLosses + 1), $"{totals.InstanceTime} held in 60 s with {totals.MachineLosses} losses of a second");
    }

    [Fact]
    public void A_floor_that_began_while_it_was_away_is_asked_for_at_its_return()
    {
        var watch = new ReturnWatch();
        var plan = Plan(20, Spec with { MaxInstances = 2 }) with
        {
            Faults = Losses with { MachineLossEvery = TimeSpan.FromMilliseconds(1), MachineOutage = new Spread.Always(TimeSpan.FromSeconds(5)) },
        };
        plan = plan with { Endpoints = [plan.Endpoints[0] with { Floors = [new PlannedFloor(At(2), 2)] }] };

        new World(plan, watch).Run(null, TestContext.Current.CancellationToken);

        Assert.Equal(2, watch.Requests.Count(q => q == watch.Returns[0]));
    }

    [Fact]
    public void Machines_are_lost_one_by_one()
    {
        var one = Plan(60, Spec, [.. Enumerable.Range(1, 590).Select(i => i * 0.1)]) with { Faults = Losses, Machines = 2 };
        var plan = one with { Endpoints = [one.Endpoints[0], Plan(60, Spec with { MinInstances = 1 }).Endpoints[0]] };
        var watch = new ReturnWatch();

        new World(plan, watch).Run(null, TestContext.Current.CancellationToken);

        Assert.Equal([0, 1], watch.Machines.Distinct().Order());
    }

    private sealed class ReturnWatch : WorldWatch
    {
        public List<MonotonicTime> Returns { get; } = [];

        public List<MonotonicTime> Requests { get; } = [];

        public List<int> Machines { get; } = [];

        public override void MachineBack(int machine, MonotonicTime now)
        {
            Returns.Add(now);
            Machines.Add(machine);
        }

        public override void Requested(int machine, InstanceId instance, MonotonicTime now) => Requests.Add(now);
    }
}
