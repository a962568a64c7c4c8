using System.Collections.Immutable;
using CsCheck;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Endpoints;

public sealed class SpecRulesTests
{
    private static readonly MachineFacts Machine = new(4, 24_576);

    [Fact]
    public void Without_wishes_one_instance_gets_all_cores_and_one_slot_a_core()
    {
        var spec = Accepted(new RevisionWishes());

        Assert.Equal(("onnx", 512, 4.0, 4, 1, 0, 1), (spec.Runtime, spec.MemoryMib, spec.Cpu, spec.Concurrency, spec.Threads, spec.MinInstances, spec.MaxInstances));
        Assert.All([spec.IdleTimeout, spec.Timeout, spec.StartTimeout, spec.QueueTimeout], t => Assert.Equal(TimeSpan.FromSeconds(60), t));
        Assert.Equal((1_000, 256L << 20), (spec.QueueLimit, spec.QueueLimitBytes));
        Assert.Equal(RevisionSpec.CurrentSchemaVersion, spec.SchemaVersion);
    }

    [Fact]
    public void A_function_gets_one_core_and_one_slot_unless_more_is_asked_for()
    {
        var spec = Accepted(new RevisionWishes { Runtime = "python", Handler = "app.py::f" });
        Assert.Equal(("python", "app.py::f", 1.0, 1, 4), (spec.Runtime, spec.Handler, spec.Cpu, spec.Concurrency, spec.MaxInstances));
        Assert.Equal(RuntimeKind.Python, spec.Kind);

        Assert.Equal(8, Accepted(new RevisionWishes { Runtime = "python", Cpu = 2, Concurrency = 8 }).Concurrency);
        Assert.Equal(("python", "onnx"), (Accepted(new RevisionWishes { Handler = "app.py" }).Runtime, Accepted(new RevisionWishes()).Runtime));
    }

    [Fact]
    public void What_only_models_have_is_refused_for_a_function_and_a_handler_for_a_model()
    {
        var function = new RevisionWishes
        {
            Runtime = "python",
            BatchMax = 4,
            Engine = ImmutableSortedDictionary<string, string>.Empty.Add("a", "b"),
            Signature = "{}",
        };
        Assert.Equal(["batch_max", "engine", "signature"], Refused(function).Select(e => e.Setting));
        Assert.Equal(["handler"], Refused(new RevisionWishes { Runtime = "onnx", Handler = "app.py::f" }).Select(e => e.Setting));
        Assert.Contains("'app.py::classify'", Assert.Single(Refused(new RevisionWishes { Runtime = "python", Handler = "../x" })).Message, StringComparison.Ordinal);
        Assert.Contains("'onnx', 'python'", Assert.Single(Refused(new RevisionWishes { Runtime = "perl" })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(4.0, null, 4, 1, 1)]
    [InlineData(4.0, 1, 1, 4, 1)]
    [InlineData(4.0, 3, 3, 1, 1)]
    [InlineData(2.5, null, 2, 1, 1)]
    [InlineData(2.0, 1, 1, 2, 2)]
    [InlineData(1.0, 8, 8, 1, 4)]
    [InlineData(0.1, null, 1, 1, 40)]
    [InlineData(0.3, null, 1, 1, 13)]
    public void Slots_threads_and_instances_follow_from_cpu(double cpu, int? concurrency, int slots, int threads, int instancesMax)
    {
        var spec = Accepted(new RevisionWishes { Cpu = cpu, Concurrency = concurrency });

        Assert.Equal((slots, threads, instancesMax), (spec.Concurrency, spec.Threads, spec.MaxInstances));
    }

    [Fact]
    public void No_more_instances_are_the_default_than_fit_the_memory() =>
        Assert.Equal(3, Accepted(new RevisionWishes { Cpu = 0.1, Memory = "8GiB" }).MaxInstances);

    [Fact]
    public void The_default_of_max_instances_rises_to_min_instances() =>
        Assert.Equal(5, Accepted(new RevisionWishes { MinInstances = 5 }).MaxInstances);

    [Fact]
    public void Memory_is_rounded_up_to_whole_mebibytes() =>
        Assert.Equal(245, Accepted(new RevisionWishes { Memory = "256MB" }).MemoryMib);

    [Theory]
    [InlineData(null, null, KeepAliveMode.Learned)]
    [InlineData("60s", null, KeepAliveMode.Fixed)]
    [InlineData("60s", "learned", KeepAliveMode.Learned)]
    [InlineData(null, "fixed", KeepAliveMode.Fixed)]
    public void Who_gives_an_idle_time_out_gets_just_that(string? idleTimeout, string? keepAlive, KeepAliveMode expected) =>
        Assert.Equal(expected, Accepted(new RevisionWishes { IdleTimeout = idleTimeout, KeepAlive = keepAlive }).KeepAlive);

    [Fact]
    public void Nothing_is_batched_unless_it_is_asked_for() =>
        Assert.Equal((1, TimeSpan.Zero, 4), (Accepted(new RevisionWishes()).BatchMax, Accepted(new RevisionWishes()).BatchDelay, Accepted(new RevisionWishes()).Slots));

    [Fact]
    public void Batching_gives_an_instance_more_slots_and_leaves_its_threads_alone()
    {
        var spec = Accepted(new RevisionWishes { Concurrency = 2, BatchMax = 8, BatchDelay = "2ms" });

        Assert.Equal((2, 2, 16, TimeSpan.FromMilliseconds(2)), (spec.Concurrency, spec.Threads, spec.Slots, spec.BatchDelay));
    }

    [Theory]
    [InlineData(4.0, 32, 4)]
    [InlineData(0.5, 8, 1)]
    [InlineData(1.0, 8, 1)]
    public void Concurrency_that_is_to_be_found_begins_at_the_cores_with_one_thread_each_and_has_a_most(double cpu, int most, int first)
    {
        var spec = Accepted(new RevisionWishes { Cpu = cpu, IsConcurrencyAuto = true });

        Assert.Equal((true, most, first, 1), (spec.IsConcurrencyAuto, spec.Concurrency, spec.FirstConcurrency, spec.Threads));
        Assert.Equal(spec, Accepted(SpecRules.Describe(spec)) with { Environment = spec.Environment, Engine = spec.Engine });
    }

    [Fact]
    public void Concurrency_that_is_to_be_found_does_not_go_with_batches() =>
        Assert.Equal(
            "batch_max is 4 and concurrency auto; a batch changes the run times that auto goes by, so allowed is concurrency as a number with batch_max, or auto without.",
            Assert.Single(Refused(new RevisionWishes { IsConcurrencyAuto = true, BatchMax = 4 })).Message);

    [Theory]
    [InlineData(null, 0, null, null, "batch_max is 0; allowed are 1 to 256.")]
    [InlineData(null, 257, null, null, "batch_max is 257; allowed are 1 to 256.")]
    [InlineData(20, 64, null, null, "batch_max is 64 and concurrency 20; together they may be at most 1000 invocations of an instance, so allowed are 1 to 50.")]
    [InlineData(null, 8, "2s", null, "batch_delay is 2s; allowed are 0s to 1s.")]
    [InlineData(null, 8, "soon", null, "batch_delay is 'soon'; allowed is ")]
    [InlineData(null, null, "2ms", null, "batch_delay is 2ms, but batch_max is 1, so nothing is batched; set batch_max to 2 to 256, or leave batch_delay out.")]
    [InlineData(null, 8, "20ms", "20ms", "batch_delay is 20ms; allowed is less than timeout, which is 20ms and counts this wait too.")]
    public void Batching_is_checked(int? concurrency, int? max, string? delay, string? timeout, string message)
    {
        var error = Assert.Single(Refused(new RevisionWishes { Concurrency = concurrency, BatchMax = max, BatchDelay = delay, Timeout = timeout }));

        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_small_machine_has_a_smaller_default_of_memory() =>
        Assert.Equal(256, Assert.IsType<SpecOutcome.Accepted>(SpecRules.Apply(new RevisionWishes(), new MachineFacts(1, 256))).Spec.MemoryMib);

    public static TheoryData<RevisionWishes, string> WrongLoads => new()
    {
        { new RevisionWishes { TargetRps = 0 }, "target_rps is 0; allowed are 0.01 to 1000000." },
        { new RevisionWishes { TargetRps = 1, StableWindow = "5s" }, "stable_window is 5s; allowed are 6s to 1h." },
        { new RevisionWishes { TargetRps = 1, StableWindow = "6500ms" }, "stable_window is 6500ms; allowed are whole seconds." },
        { new RevisionWishes { TargetRps = 1, PanicWindow = "61s" }, "panic_window is 61s; allowed are 1s to 60s." },
        { new RevisionWishes { TargetRps = 1, PanicThreshold = 1 }, "panic_threshold is 1; allowed are 1.1 to 10." },
        { new RevisionWishes { TargetRps = 1, MaxScaleUpRate = 1 }, "max_scale_up_rate is 1; allowed are 1.1 to 1000." },
        { new RevisionWishes { TargetRps = 1, MaxScaleDownRate = 1 }, "max_scale_down_rate is 1; allowed are 1.1 to 1000." },
        { new RevisionWishes { MaxInstances = 2, InitialInstances = 3 }, "initial_instances is 3; allowed are 0 to max_instances, which is 2." },
        { new RevisionWishes { MaxInstances = 2, ActivationInstances = 3 }, "activation_instances is 3; allowed are 0 to max_instances, which is 2." },
        { new RevisionWishes { ScaleToZeroGrace = "2h" }, "scale_to_zero_grace is 2h; allowed are 0s to 1h." },
        { new RevisionWishes { PanicThreshold = 3 }, "panic_threshold is 3, but the load asks for no instances; set target_utilization, target_concurrency, target_rps, scale_down_delay or activation_instances with it, or leave it out." },
    };

    [Theory]
    [MemberData(nameof(WrongLoads))]
    public void A_wrong_setting_of_the_load_is_named(RevisionWishes wishes, string message) => Assert.Equal(message, Assert.Single(Refused(wishes)).Message);

    [Fact]
    public void The_panic_window_is_a_tenth_of_the_stable_one_unless_it_is_set()
    {
        var spec = Assert.IsType<SpecOutcome.Accepted>(SpecRules.Apply(new RevisionWishes { TargetRps = 1, StableWindow = "2m" }, new MachineFacts(1, 256))).Spec;

        Assert.Equal(TimeSpan.FromSeconds(12), spec.PanicWindow);
    }

    [Fact]
    public void Every_wrong_setting_is_named_at_once_with_value_and_what_is_allowed()
    {
        var wishes = new RevisionWishes
        {
            Runtime = "tensorflow",
            Memory = "63MiB",
            Cpu = 4.5,
            Concurrency = 0,
            MinInstances = -1,
            Provisioned = -2,
            Floors = ["0 8 * * * for 8d = 1"],
            SpareInstances = -3,
            TargetUtilization = 1.5,
            ScaleDownDelay = "2h",
            MaxInstances = 1_001,
            IdleTimeout = "25h",
            KeepAlive = "sometimes",
            Timeout = "0",
            StartTimeout = "soon",
            QueueTimeout = "-1s",
            QueueLimit = 0,
            QueueLimitBytes = "1KiB",
        };

        var errors = Refused(wishes);

        Assert.Equal(
            ["runtime", "memory", "cpu", "concurrency", "min_instances", "provisioned", "floors", "spare_instances", "max_instances", "target_utilization", "scale_down_delay", "idle_timeout", "keep_alive", "timeout", "start_timeout", "queue_timeout", "queue_limit", "queue_limit_bytes"],
            errors.Select(e => e.Setting));
        Assert.All(errors, e => Assert.Contains(e.Setting, e.Message, StringComparison.Ordinal));
        Assert.All(errors, e => Assert.Contains(e.Value, e.Message, StringComparison.Ordinal));
        Assert.All(errors, e => Assert.Contains("allowed", e.Message, StringComparison.Ordinal));
        Assert.Equal("memory is 63MiB; allowed are 64MiB to 24GiB (what an instance needs to start, and what the machine has).", errors[1].Message);
        Assert.Equal("cpu is 4.5; allowed are 0.1 to 4 (the machine's cores).", errors[2].Message);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_number_of_cores_that_is_none_is_refused(double cpu) =>
        Assert.Equal("cpu", Assert.Single(Refused(new RevisionWishes { Cpu = cpu })).Setting);

    [Fact]
    public void Without_a_limit_an_instance_holds_what_the_worker_may_and_the_load_has_a_target()
    {
        var spec = Accepted(new RevisionWishes { IsConcurrencyUnlimited = true });

        Assert.Equal((SpecRules.ConcurrencyMax, true, false, 1, 70), (spec.Concurrency, spec.IsConcurrencyUnlimited, spec.IsConcurrencyAuto, spec.Threads, spec.SoftSlots));
        Assert.True(spec.HasLoadTarget);
        Assert.Equal(TimeSpan.FromMinutes(2), Accepted(new RevisionWishes { IsConcurrencyUnlimited = true, StableWindow = "2m" }).StableWindow);
        Assert.Equal("batch_max", Assert.Single(Refused(new RevisionWishes { IsConcurrencyUnlimited = true, BatchMax = 2 })).Setting);
        var described = SpecRules.Describe(Accepted(new RevisionWishes { IsConcurrencyUnlimited = true, TargetConcurrency = 20 }));
        Assert.Equal((true, null, 20d), (described.IsConcurrencyUnlimited, described.Concurrency, described.TargetConcurrency));
    }

    [Fact]
    public void A_concurrency_target_is_checked_and_is_no_target_beside_another()
    {
        Assert.Equal("target_concurrency is 0; allowed are 0.01 to 1000.", Assert.Single(Refused(new RevisionWishes { TargetConcurrency = 0 })).Message);
        Assert.Equal("target_concurrency is 5 and target_rps is set; the load is counted in one of them, so allowed is either.", Assert.Single(Refused(new RevisionWishes { TargetConcurrency = 5, TargetRps = 5 })).Message);
    }

    [Fact]
    public void Cores_are_reserved_up_to_those_of_the_instance_and_those_that_the_machine_lets_reserve()
    {
        Assert.Equal(0, Accepted(new RevisionWishes()).ReserveCpu);
        Assert.Equal(0.5, Accepted(new RevisionWishes { Cpu = 1, ReserveCpu = 0.5 }).ReserveCpu);
        Assert.Equal("reserve_cpu is 1.5; allowed are 0 to 1 (the cpu of an instance).", Assert.Single(Refused(new RevisionWishes { Cpu = 1, ReserveCpu = 1.5 })).Message);
        Assert.Equal("reserve_cpu is -1; allowed are 0 to 4 (the cpu of an instance).", Assert.Single(Refused(new RevisionWishes { ReserveCpu = -1 })).Message);
        Assert.Equal("reserve_cpu", Assert.Single(Refused(new RevisionWishes { ReserveCpu = double.NaN })).Setting);
        Assert.Equal(
            "provisioned is 5; allowed are 0 to 4, because instances with reserve_cpu 1 each are to fit the 4 cores that may be reserved (machine.cpu).",
            Assert.Single(Refused(new RevisionWishes { Cpu = 1, ReserveCpu = 1, Provisioned = 5, MaxInstances = 5 })).Message);

        var less = Assert.IsType<SpecOutcome.Refused>(SpecRules.Apply(new RevisionWishes { ReserveCpu = 1 }, new MachineFacts(4, 4096) { ReservableCores = 0.5 }));
        Assert.Equal("reserve_cpu is 1; allowed are 0 to 0.5 (what the machine lets reserve, machine.cpu).", less.Errors[0].Message);
        Assert.Equal(2, Assert.IsType<SpecOutcome.Accepted>(SpecRules.Apply(new RevisionWishes { Cpu = 1, ReserveCpu = 1 }, new MachineFacts(4, 4096) { ReservableCores = 2 })).Spec.MaxInstances);
    }

    [Fact]
    public void Min_instances_may_not_exceed_max_instances()
    {
        var error = Assert.Single(Refused(new RevisionWishes { MinInstances = 3, MaxInstances = 2 }));

        Assert.Equal("min_instances is 3; allowed are 0 to max_instances, which is 2.", error.Message);
    }

    [Fact]
    public void Provisioned_instances_may_not_exceed_max_instances_nor_the_machine()
    {
        Assert.Equal("provisioned is 3; allowed are 0 to max_instances, which is 2.", Assert.Single(Refused(new RevisionWishes { Provisioned = 3, MaxInstances = 2 })).Message);
        Assert.Equal(
            "provisioned is 5; allowed are 0 to 4, because instances of 6144 MiB each are to fit the machine's 24576 MiB at once.",
            Assert.Single(Refused(new RevisionWishes { Provisioned = 5, Memory = "6GiB" })).Message);
        Assert.Equal((4, 4), Accepted(new RevisionWishes { Provisioned = 4, Memory = "6GiB" }) is var spec ? (spec.Provisioned, spec.MaxInstances) : default);
    }

    [Theory]
    [InlineData("0 8 * * MON-FRI Europe/Berlin for 10h = 2", "0 8 * * MON-FRI Europe/Berlin for 10h = 2")]
    [InlineData(" 0 8  * * 1-5\tfor 90m=1 ", "0 8 * * 1-5 UTC for 90m = 1")]
    [InlineData("@daily Asia/Tokyo for 1h = 1", "@daily Asia/Tokyo for 1h = 1")]
    public void A_floor_reads_back_as_it_is_shown(string text, string shown)
    {
        var floor = Assert.Single(Accepted(new RevisionWishes { Floors = [text] }).Floors);

        Assert.Equal(shown, floor.ToString());
        Assert.True(ScheduledFloor.TryParse(shown, out var again));
        Assert.Equal(floor, again);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0 8 * * * = 1")]
    [InlineData("0 8 * * * for 1h")]
    [InlineData("0 8 * * for 1h = 1")]
    [InlineData("0 8 * * * Europe Berlin for 1h = 1")]
    [InlineData("0 8 * * * for soon = 1")]
    [InlineData("0 8 * * * for 1h = -1")]
    [InlineData("0 8 * * * for 1h = 0")]
    [InlineData("0 8 * * * for 59s = 1")]
    [InlineData("0 8 * * * for 169h = 1")]
    public void A_floor_of_another_form_or_out_of_bounds_is_refused(string text) =>
        Assert.Contains("allowed", Assert.Single(Refused(new RevisionWishes { Floors = [text] })).Message, StringComparison.Ordinal);

    [Fact]
    public void A_floor_may_not_exceed_max_instances_and_raises_its_default()
    {
        Assert.Equal(
            "floors has '0 8 * * * UTC for 1h = 3' with 3 instances; allowed are 1 to max_instances, which is 2.",
            Assert.Single(Refused(new RevisionWishes { Floors = ["0 8 * * * for 1h = 3"], MaxInstances = 2 })).Message);
        Assert.Equal(7, Accepted(new RevisionWishes { Floors = ["0 8 * * * for 1h = 7"] }).MaxInstances);
        Assert.Equal("floors", Assert.Single(Refused(new RevisionWishes { Floors = [.. Enumerable.Repeat("0 8 * * * for 1h = 1", 33)] })).Setting);
    }

    [Fact]
    public void Spare_instances_may_not_exceed_max_instances_and_raise_its_default()
    {
        Assert.Equal("spare_instances is 3; allowed are 0 to max_instances, which is 2.", Assert.Single(Refused(new RevisionWishes { SpareInstances = 3, MaxInstances = 2 })).Message);
        Assert.Equal(6, Accepted(new RevisionWishes { SpareInstances = 5 }).MaxInstances);
    }

    [Theory]
    [InlineData("1X")]
    [InlineData("")]
    [InlineData("A-B")]
    [InlineData("A B")]
    [InlineData("Ä")]
    [InlineData("DORMOUSE_SECRET")]
    [InlineData("ORT_DISABLE_TELEMETRY")]
    public void Names_of_the_environment_are_checked(string name) =>
        Assert.Equal("environment", Assert.Single(Refused(new RevisionWishes { Environment = Map(name, "x") })).Setting);

    [Fact]
    public void Values_may_not_hold_a_nul() =>
        Assert.Equal("environment", Assert.Single(Refused(new RevisionWishes { Environment = Map("_A1", "x\0y") })).Setting);

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a=b")]
    public void Keys_of_the_engine_are_checked(string key) =>
        Assert.Equal("engine", Assert.Single(Refused(new RevisionWishes { Engine = Map(key, "x") })).Setting);

    [Fact]
    public void Control_characters_of_a_user_do_not_reach_a_message()
    {
        var error = Assert.Single(Refused(new RevisionWishes { Timeout = "1\u001b[31ms" }));

        Assert.DoesNotContain('\u001b', error.Message);
    }

    [Theory]
    [InlineData(null, null, null, null)]
    [InlineData("process", null, IsolationLevel.Process, null)]
    [InlineData("sandbox", "none", IsolationLevel.Sandbox, NetworkAccess.None)]
    [InlineData("process", "outbound", IsolationLevel.Process, NetworkAccess.Outbound)]
    [InlineData("sandbox", "outbound", IsolationLevel.Sandbox, NetworkAccess.Outbound)]
    [InlineData("container", "none", IsolationLevel.Container, NetworkAccess.None)]
    [InlineData("container", "outbound", IsolationLevel.Container, NetworkAccess.Outbound)]
    [InlineData("container", null, IsolationLevel.Container, null)]
    [InlineData(null, "outbound", null, NetworkAccess.Outbound)]
    [InlineData(null, "none", IsolationLevel.Sandbox, NetworkAccess.None)]
    public void Isolation_and_network_are_as_asked_for_and_no_network_asks_for_the_sandbox(string? isolation, string? network, IsolationLevel? level, NetworkAccess? access)
    {
        var spec = Accepted(new RevisionWishes { Isolation = isolation, Network = network });

        Assert.Equal((level, access), (spec.Isolation, spec.Network));
        Assert.Equal(spec with { Floors = [] }, Accepted(SpecRules.Describe(spec)) with { Floors = [] });
    }

    [Theory]
    [InlineData("jail", null, "isolation is 'jail'; allowed are 'process', 'sandbox', 'container'.")]
    [InlineData(null, "all", "network is 'all'; allowed are 'none', 'outbound'.")]
    [InlineData("process", "none", "network is 'none', but a process has the machine's network; set isolation to 'sandbox' or 'container' with it, or leave network out.")]
    public void Isolation_and_network_that_do_not_go_together_are_refused(string? isolation, string? network, string message) =>
        Assert.Equal(message, Assert.Single(Refused(new RevisionWishes { Isolation = isolation, Network = network })).Message);

    [Fact]
    public void A_described_spec_gives_the_same_spec_again() =>
        Gen.Select(Gen.Int[SpecRules.MemoryMibMin, 24_576], Gen.Double[0.1, 4], Gen.Int[1, 1_000], Gen.Int[1, 1_000], Gen.Long[1, 86_400_000], Gen.Int[1, 100_000]).Sample(
            (memory, cpu, concurrency, max, milliseconds, limit) =>
            {
                var wishes = new RevisionWishes
                {
                    Memory = $"{memory}MiB",
                    Cpu = cpu,
                    Concurrency = concurrency,
                    BatchMax = concurrency <= 500 ? 2 : 1,
                    BatchDelay = concurrency <= 500 && milliseconds > 5 ? "2500us" : null,
                    MaxInstances = max,
                    Timeout = $"{milliseconds}ms",
                    QueueLimit = limit,
                    Environment = Map("A", "1"),
                    Engine = Map("session.x", "0"),
                    Signature = "{}",
                };
                var spec = Accepted(wishes);

                var again = Accepted(SpecRules.Describe(spec));

                Assert.Equal(spec.Environment, again.Environment);
                Assert.Equal(spec.Engine, again.Engine);
                // Records compare maps by reference; those were compared by value above.
                Assert.Equal(spec, again with { Environment = spec.Environment, Engine = spec.Engine });
            });

    private static ImmutableSortedDictionary<string, string> Map(string name, string value) =>
        ImmutableSortedDictionary<string, string>.Empty.WithComparers(StringComparer.Ordinal).Add(name, value);

    private static RevisionSpec Accepted(RevisionWishes wishes) => Assert.IsType<SpecOutcome.Accepted>(SpecRules.Apply(wishes, Machine)).Spec;

    private static ImmutableArray<SpecError> Refused(RevisionWishes wishes) => Assert.IsType<SpecOutcome.Refused>(SpecRules.Apply(wishes, Machine)).Errors;
}
