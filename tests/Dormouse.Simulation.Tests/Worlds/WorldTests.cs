using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Simulation.Tests.Worlds;

public sealed class WorldTests
{
    private static readonly RevisionSpec Spec = new() { Runtime = RuntimeKind.Onnx.Name, MemoryMib = 1024, IdleTimeout = TimeSpan.FromSeconds(10) };

    [Fact]
    public void Two_calls_in_a_row_cost_one_start_and_its_keep_alive()
    {
        var totals = Run(Plan(100, Endpoint(Spec, 1, 2)));

        Assert.Equal((2, 2, 1, 1), (totals.Invocations, totals.Answered, totals.ColdGrants, totals.Starts));
        // Start and load 30 ms; run from 1.03 to 1.13 and 2 to 2.1 s; idle for 10 s from then; gone 2 ms later.
        Assert.Equal(TimeSpan.FromSeconds(11.102), totals.InstanceTime);
        Assert.Equal(11.102, totals.GibSeconds, 9);
        Assert.Equal(TimeSpan.FromMilliseconds(130), totals.Latency.Max);
        Assert.Equal(200_000, totals.MeteredMicroseconds);
        Assert.Equal(2 * 1_666_670, totals.PricePico);
        Assert.Equal(1, totals.IdleStops);
    }

    [Fact]
    public void A_call_after_the_keep_alive_starts_cold_again()
    {
        var totals = Run(Plan(100, Endpoint(Spec, 1, 20)));

        Assert.Equal((2, 2), (totals.ColdGrants, totals.Starts));
    }

    [Fact]
    public void What_is_held_after_the_load_is_not_counted()
    {
        var totals = Run(Plan(5, Endpoint(Spec, 1)));

        Assert.Equal(TimeSpan.FromSeconds(4), totals.InstanceTime);
    }

    [Fact]
    public void An_endpoint_takes_the_memory_of_one_that_is_idle()
    {
        var plan = Plan(30, Endpoint(Spec, 1), Endpoint(Spec, 3)) with { Machine = Machine with { BudgetMib = 1500 } };

        var totals = Run(plan);

        Assert.Equal((2, 1), (totals.Answered, totals.Evictions));
    }

    [Fact]
    public void Machines_have_budgets_of_their_own()
    {
        var plan = Plan(30, Endpoint(Spec, 1), Endpoint(Spec, 3)) with { Machine = Machine with { BudgetMib = 1500 }, Machines = 2 };

        Assert.Equal(0, Run(plan).Evictions);
    }

    [Fact]
    public void An_endpoint_larger_than_the_machine_is_refused()
    {
        var plan = Plan(30, Endpoint(Spec, 1)) with { Machine = Machine with { BudgetMib = 512 } };

        Assert.Equal(1, Run(plan).Refusals(RefusalKind.StartFailed));
    }

    [Fact]
    public void Instances_that_are_kept_are_there_from_the_start()
    {
        var totals = Run(Plan(10, Endpoint(Spec with { MinInstances = 1 }, 5)));

        Assert.Equal(0, totals.ColdGrants);
        Assert.Equal(TimeSpan.FromSeconds(10), totals.InstanceTime);
    }

    [Fact]
    public void Provisioned_time_is_paid_from_ready_to_the_end_of_the_load_and_runs_on_it_cost_less()
    {
        var totals = Run(Plan(10, Endpoint(Spec with { Provisioned = 1 }, 5)));

        Assert.Equal(0, totals.ColdGrants);
        Assert.Equal(9_970_000, totals.ProvisionedMicroseconds);
        Assert.Equal(41_541_750 + 972_224, totals.PricePico);
    }

    [Fact]
    public void An_idle_endpoint_has_no_engine()
    {
        var world = new World(Plan(100, Endpoint(Spec, 1), Endpoint(Spec, 50)));
        while (world.Step())
        {
        }

        Assert.Equal(1, world.Totals.EnginesMax);
        Assert.Equal(0, world.Engines);
    }

    [Fact]
    public void What_falls_due_while_a_machine_stands_still_is_handled_late()
    {
        var faults = new FaultPlan { ClockJumpEvery = TimeSpan.FromMilliseconds(50), ClockJump = new Spread.Always(TimeSpan.FromSeconds(3)) };

        var totals = Run(Plan(10, Endpoint(Spec, 1)) with { Faults = faults });

        Assert.Equal(1, totals.Answered);
        Assert.True(totals.Latency.Max > TimeSpan.FromSeconds(1), $"it took {totals.Latency.Max}");
    }

    [Fact]
    public void The_same_plan_gives_the_same_run()
    {
        var faults = new FaultPlan { CrashEvery = TimeSpan.FromSeconds(2), SlowStarts = 0.3, FailedStarts = 0.1 };
        var times = Enumerable.Range(1, 200).Select(i => i * 0.4).ToArray();
        WorldPlan Make(ulong seed) => Plan(100, Endpoint(Spec, times), Endpoint(Spec, times)) with { Faults = faults, Seed = seed };

        Assert.Equal(Key(Make(1)), Key(Make(1)));
        Assert.NotEqual(Key(Make(1)), Key(Make(2)));
    }

    [Fact]
    public void A_steady_load_allocates_nothing()
    {
        var world = new World(Plan(1_000, new EndpointPlan("busy", Spec, new Endless())));
        while (world.Totals.Answered < 10_000)
        {
            world.Step();
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        while (world.Totals.Answered < 110_000)
        {
            world.Step();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>Another way to the same numbers: one start, then a plain queue before as many servers as there are slots.</summary>
    [Fact]
    public void A_kept_instance_is_a_queue_with_as_many_servers_as_slots()
    {
        var random = SeededRandom.For(3, 3);
        var (arrivals, at) = (new List<Arrival>(), 1.0);
        for (var i = 0; i < 5_000; i++)
        {
            at += 0.03 * random.Exponential();
            arrivals.Add(new Arrival(new MonotonicTime((long)(at * TimeSpan.TicksPerSecond)), TimeSpan.FromSeconds(0.1 * random.Exponential())));
        }

        var spec = Spec with { Concurrency = 4, MinInstances = 1, QueueLimit = 10_000 };
        var totals = Run(Plan(at, new EndpointPlan("q", spec, new RecordedArrivals(arrivals))));

        var servers = new PriorityQueue<int, long>(Enumerable.Repeat((0, 0L), 4));
        var latencies = new List<TimeSpan>();
        foreach (var arrival in arrivals)
        {
            servers.TryDequeue(out _, out var free);
            var end = Math.Max(free, arrival.At.Ticks) + arrival.RunTime.Ticks;
            servers.Enqueue(0, end);
            latencies.Add(new TimeSpan(end - arrival.At.Ticks));
        }

        latencies.Sort();
        Assert.Equal(latencies[^1], totals.Latency.Max);
        Assert.InRange(totals.Latency.Percentile(0.5) / latencies[2_499], 1, 1.033);
        Assert.InRange(totals.Latency.Percentile(0.99) / latencies[4_949], 1, 1.033);
    }

    [Fact]
    public void A_run_can_be_cancelled()
    {
        var endpoint = new EndpointPlan("busy", Spec, new Endless());
        using var source = new CancellationTokenSource();
        source.Cancel();

        Assert.Throws<OperationCanceledException>(() => new World(Plan(1_000_000, endpoint)).Run(null, source.Token));
    }

    private static MachinePlan Machine => new()
    {
        StartTime = new Spread.Always(TimeSpan.FromMilliseconds(25)),
        LoadTime = new Spread.Always(TimeSpan.FromMilliseconds(5)),
    };

    private static (long, long, TimeSpan, TimeSpan) Key(WorldPlan plan)
    {
        var totals = Run(plan);
        return (totals.Events, totals.Retries, totals.InstanceTime, totals.Latency.Percentile(0.9));
    }

    private static Simulation.Results.WorldTotals Run(WorldPlan plan) => new World(plan).Run(null, TestContext.Current.CancellationToken);

    private static WorldPlan Plan(double seconds, params EndpointPlan[] endpoints) =>
        new() { Seed = 1, Duration = TimeSpan.FromSeconds(seconds), Endpoints = [.. endpoints], Machine = Machine };

    private static EndpointPlan Endpoint(RevisionSpec spec, params double[] seconds) =>
        new("e", spec, new RecordedArrivals([.. seconds.Select(s => new Arrival(new MonotonicTime((long)(s * TimeSpan.TicksPerSecond)), TimeSpan.FromMilliseconds(100)))]));

    private sealed class Endless : ArrivalStream
    {
        private long _ticks;

        public override bool TryNext(out Arrival arrival)
        {
            _ticks += TimeSpan.TicksPerMillisecond;
            arrival = new Arrival(new MonotonicTime(_ticks), TimeSpan.FromMilliseconds(0.1));
            return true;
        }
    }
}
