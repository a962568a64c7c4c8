using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Promises;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Simulation.Tests.Worlds;

/// <summary>Endpoints that share a machine with room for one of them.</summary>
public sealed class RoomTests
{
    private static readonly RevisionSpec Spec = TestWorlds.Spec;

    /// <summary>A comes, then B, and A, C, A before any has run: three starts, not five.</summary>
    [Fact]
    public void Calls_of_one_endpoint_are_served_together_before_its_instance_is_taken_back()
    {
        var plan = Plan(30, new Spread.Always(TimeSpan.FromMilliseconds(25)), Calls(0, 2, 4), Calls(1), Calls(3));
        var watch = new OrderWatch(plan);

        var totals = new World(plan, watch).Run(null, TestContext.Current.CancellationToken);

        Assert.Equal((5, 3, 2), (totals.Answered, totals.Starts, totals.Evictions));
        Assert.Equal("AAABC", watch.Order);
    }

    /// <summary>The bound of <see cref="MachineArbiter"/>: with n endpoints that press, n + 1 times a turn, a second, a start, the longest run and an end.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Nobody_starves_beside_endpoints_that_are_never_idle(int endpoints)
    {
        // Each has a call every 90 ms that takes 100 ms: none ever pauses until all have been answered, after 80 s for each of them.
        var never = Enumerable.Range(0, 800).Select(i => 90.0 * i).ToArray();
        var plan = Plan(72, new Spread.Always(TimeSpan.FromMilliseconds(500)), [.. Enumerable.Range(0, endpoints).Select(_ => Calls(never))]);
        var watch = new OrderWatch(plan);

        var totals = new World(plan, watch).Run(null, TestContext.Current.CancellationToken);

        var bound = (endpoints + 1) * (MachineArbiter.Turn + MachineArbiter.PressAgain + TimeSpan.FromSeconds(0.51 + 0.1 + 0.01));
        Assert.All(Enumerable.Range(0, endpoints), e => Assert.InRange(watch.LongestPause(e), TimeSpan.Zero, bound));
        // Places change once a turn and not more often, or the machine would do nothing else.
        Assert.Equal(endpoints * 800, totals.Answered);
        Assert.InRange(totals.Starts, endpoints * 2, (endpoints * 80 / 10) + 1);
    }

    private static double[] Calls(params double[] milliseconds) => milliseconds;

    private static WorldPlan Plan(double seconds, Spread start, params double[][] calls) => new()
    {
        Seed = 1,
        Duration = TimeSpan.FromSeconds(seconds),
        Endpoints =
        [
            .. calls.Select((own, i) => new EndpointPlan($"{(char)('A' + i)}", Spec with { QueueTimeout = TimeSpan.FromHours(1), QueueLimit = 10_000 }, new RecordedArrivals([.. own.Select(ms => new Arrival(TestWorlds.At(ms / 1_000), TimeSpan.FromMilliseconds(100)))]))),
        ],
        Machine = new MachinePlan { BudgetMib = 1_500, StartTime = start, LoadTime = new Spread.Always(TimeSpan.FromMilliseconds(5)) },
    };

    /// <summary>Who was served in which order, and how long each was not though it waited; with every promise watched.</summary>
    private sealed class OrderWatch(WorldPlan plan) : WorldWatch
    {
        private readonly PromiseWatch _promises = new(plan);
        private readonly MonotonicTime[] _last = new MonotonicTime[plan.Endpoints.Length];
        private readonly TimeSpan[] _longest = new TimeSpan[plan.Endpoints.Length];

        public string Order { get; private set; } = "";

        public TimeSpan LongestPause(int endpoint) => _longest[endpoint];

        public override void Came(long serial, int endpoint, MonotonicTime now) => _promises.Came(serial, endpoint, now);

        public override void Ended(long serial, InvocationOutcome outcome, MonotonicTime now) => _promises.Ended(serial, outcome, now);

        public override void Requested(int machine, InstanceId instance, MonotonicTime now) => _promises.Requested(machine, instance, now);

        public override void Pressed(int machine, InstanceId instance, MonotonicTime now) => _promises.Pressed(machine, instance, now);

        public override void Admitted(int machine, InstanceId instance, InstanceNeed need, MonotonicTime now) => _promises.Admitted(machine, instance, need, now);

        public override void StartEnded(int machine, InstanceId instance) => _promises.StartEnded(machine, instance);

        public override void Gone(int machine, InstanceId instance, MonotonicTime now) => _promises.Gone(machine, instance, now);

        public override void Applied(int endpoint, in RevisionEvent @event, MonotonicTime now, RevisionEffects effects)
        {
            _promises.Applied(endpoint, @event, now, effects);
            if (effects.Grants.Count > 0)
            {
                var pause = now - _last[endpoint];
                _longest[endpoint] = pause > _longest[endpoint] ? pause : _longest[endpoint];
                _last[endpoint] = now;
                Order += new string((char)('A' + endpoint), Order.Length < 100 ? effects.Grants.Count : 0);
            }
        }
    }
}
