using System.Net;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;
using Dormouse.Server.Hosting;
using Dormouse.Server.Logs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Tests.Gateway;

public sealed class StartTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_call_that_comes_every_ten_minutes_finds_an_instance_that_was_not_kept()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits", GatewayHost.Spec() with { KeepAlive = KeepAliveMode.Learned });
        for (var i = 0; i < 10; i++)
        {
            using var cold = await CallAsync(host);
            Assert.StartsWith("cold", cold.Header("Dormouse-Start"), StringComparison.Ordinal);
            await PassAsync(host, TimeSpan.FromMinutes(10));
        }

        using var learned = await CallAsync(host);
        await PassAsync(host, TimeSpan.FromSeconds(30));
        Assert.Empty(host.Driver.Alive);
        var started = host.Driver.Started;
        host.Time.Advance(TimeSpan.FromMinutes(9));
        await Conditions.UntilAsync(() => host.Driver.Started == started + 1, "one is started for the call that is expected");
        await Conditions.UntilAsync(() => host.Dispatch.Samples(host.Routes.Find(TenantId.Default, "digits")!.Endpoint.Id) is [{ Sample.Instances: [{ State: InstanceState.Ready }] }], "it is ready");

        using var expected = await CallAsync(host);

        Assert.Equal("warm", expected.Header("Dormouse-Start"));
    }

    [Fact]
    public async Task Every_change_of_the_count_is_in_the_log_with_its_reason()
    {
        using var events = new ScalingEventLog();
        await using var host = await GatewayHost.StartAsync(
            new() { ["DORMOUSE_LOGGING__LEVEL"] = "debug" }, services: added => added.AddSingleton<ILoggerProvider>(events));
        ServerTelemetry.Connect(host.Service<IServiceProvider>());
        var route = host.Add("digits");
        using var answer = await host.InferAsync("digits");
        await host.Dispatch.StopAsync(route.Endpoint.Id, Cancellation);

        var lines = await host.Service<LogStore>().ReadAsync(route.Endpoint.Id, 10, follow: false, Cancellation).Select(l => l.Text).ToListAsync(Cancellation);

        Assert.Equal("r1 0 → 1: 1 waiting and none runs: first call", lines[0]);
        Assert.Equal("r1 1 → 0: the endpoint was stopped; the next call starts it again", lines[^1]);
        Assert.Equal(
            [
                "Endpoint digits, revision r1: 0 → 1 instances: 1 waiting and none runs: first call",
                "Endpoint digits, revision r1: 1 → 0 instances: the endpoint was stopped; the next call starts it again",
            ],
            events.Lines);
    }

    /// <summary>Over a connection of its own: in the time that passes between calls the web server ends idle ones.</summary>
    private static async Task<HttpResponseMessage> CallAsync(GatewayHost host)
    {
        using var client = host.NewClient();
        return await client.PostAsync("/v2/models/digits/infer", new StringContent("{}"), Cancellation);
    }

    /// <summary>Lets time pass until the idle instance is gone.</summary>
    private static async Task PassAsync(GatewayHost host, TimeSpan span)
    {
        host.Time.Advance(span);
        await Conditions.UntilAsync(() => !host.Driver.Alive.Any(), "nothing of it is left");
    }

    [Fact]
    public async Task The_first_call_is_cold_the_next_is_warm_and_one_after_idling_is_cold_again()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");

        using var first = await host.InferAsync("digits");
        using var second = await host.InferAsync("digits");

        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        Assert.Equal("cold; cause=first; rung=pool", first.Header("Dormouse-Start"));
        Assert.Equal("warm", second.Header("Dormouse-Start"));
        Assert.Equal("queue;dur=0, start;dur=0, load;dur=0, run;dur=0.25", second.Header("Server-Timing"));
        Assert.Null(first.Header("Dormouse-Run"));
        Assert.Null(first.Header("Dormouse-Cpu"));

        host.Time.Advance(TimeSpan.FromSeconds(61));
        var (_, reason) = await host.Driver.NextStopAsync(Cancellation);
        Assert.Equal(StopReason.Idle, reason);
        await host.Dispatch.StopAsync(host.Routes.Find(TenantId.Default, "digits")!.Endpoint.Id, Cancellation);

        using var third = await host.InferAsync("digits");
        Assert.Equal("cold; cause=idle; rung=pool", third.Header("Dormouse-Start"));
    }

    [Fact]
    public async Task A_cold_call_is_told_how_long_it_waited_for_start_and_load()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.IsReadyAtOnce = false;
        host.Add("digits");

        var call = host.InferAsync("digits");
        var start = await host.Driver.NextStartAsync(Cancellation);
        host.Time.Advance(TimeSpan.FromMilliseconds(5));
        await host.Driver.MakeReadyAsync(start.Instance);
        using var answer = await call;

        Assert.Equal("queue;dur=0, start;dur=3, load;dur=2, run;dur=0.25", answer.Header("Server-Timing"));
        var receipt = await host.Journal.NextReceiptAsync(Cancellation);
        Assert.Equal(new InvocationTimes(0, 3000, 2000, 250), receipt.Times);
        Assert.Equal((StartKind.Cold, (StartCause?)StartCause.First, (Rung?)Rung.Pool), (receipt.Start, receipt.Cause, receipt.Rung));
    }

    [Fact]
    public async Task A_start_that_took_a_lower_rung_says_why_in_the_header_and_the_receipt()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.RungReason = RungReason.TemplateRefused;
        host.Add("digits");

        using var first = await host.InferAsync("digits");
        var receipt = await host.Journal.NextReceiptAsync(Cancellation);
        using var second = await host.InferAsync("digits");

        Assert.Equal("cold; cause=first; rung=pool; why=template_refused", first.Header("Dormouse-Start"));
        Assert.Equal(RungReason.TemplateRefused, receipt.RungReason);
        Assert.Equal("warm", second.Header("Dormouse-Start"));
        Assert.Null((await host.Journal.NextReceiptAsync(Cancellation)).RungReason);
    }

    [Fact]
    public async Task Many_callers_at_once_start_one_instance_and_all_are_answered()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.IsReadyAtOnce = false;
        host.Add("digits", GatewayHost.Spec() with { Concurrency = 4 });

        var calls = Enumerable.Range(0, 20).Select(_ => host.InferAsync("digits")).ToArray();
        var start = await host.Driver.NextStartAsync(Cancellation);
        await host.Driver.MakeReadyAsync(start.Instance);
        var answers = await Task.WhenAll(calls);

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.Equal(1, host.Driver.Started);
    }

    [Fact]
    public async Task A_failed_start_reaches_everyone_who_waits_with_its_reason()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.IsReadyAtOnce = false;
        var route = host.Add("digits");

        var calls = Enumerable.Range(0, 3).Select(_ => host.InferAsync("digits")).ToArray();
        var start = await host.Driver.NextStartAsync(Cancellation);
        await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id) is [{ Sample.Queued: 3 }], "three wait");
        host.Driver.Fail(start.Instance, new StartFailure(StartFailureKind.Model, "the model has an unknown operator 'Frobnicate'"));
        var answers = await Task.WhenAll(calls);

        foreach (var answer in answers)
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            var problem = await answer.JsonAsync();
            Assert.Equal("start_failed", problem.GetProperty("code").GetString());
            Assert.Contains("Frobnicate", problem.GetProperty("error").GetString(), StringComparison.Ordinal);
            Assert.NotNull(answer.Header("Retry-After"));
            Assert.NotNull(answer.Header("Dormouse-Invocation-Id"));
        }

        Assert.Empty(host.Journal.Receipts);
    }

    [Fact]
    public async Task A_start_that_takes_too_long_is_ended_and_its_callers_are_told()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.IsReadyAtOnce = false;
        host.Add("digits", GatewayHost.Spec() with { StartTimeout = TimeSpan.FromSeconds(10) });

        var call = host.InferAsync("digits");
        await host.Driver.NextStartAsync(Cancellation);
        host.Time.Advance(TimeSpan.FromSeconds(11));
        using var answer = await call;

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal("cold_start_timeout", await answer.CodeAsync());
        Assert.Equal(StopReason.StartTimedOut, (await host.Driver.NextStopAsync(Cancellation)).Reason);
    }

    [Fact]
    public async Task Files_that_cannot_be_laid_out_fail_the_start()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Blobs.Fault = new IOException("no space left");
        host.Add("digits");

        using var answer = await host.InferAsync("digits");

        Assert.Equal("start_failed", await answer.CodeAsync());
        Assert.Equal(0, host.Driver.Started);
    }

    [Fact]
    public async Task A_driver_that_cannot_be_opened_is_tried_again()
    {
        await using var host = await GatewayHost.StartAsync(prepare: driver => driver.FailingOpens = 1);
        host.Add("digits");
        host.Add("faces");

        using var refused = await host.InferAsync("digits");
        Assert.Equal("start_failed", await refused.CodeAsync());
        host.Time.Advance(TimeSpan.FromSeconds(1));
        await Conditions.UntilAsync(() => host.Driver.Opens == 2, "the driver is opened again");
        using var answer = await host.InferAsync("faces");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task A_driver_that_is_open_hears_once_of_each_kind_of_instances_in_use()
    {
        await using var host = await GatewayHost.StartAsync(prepare: driver => driver.FailingOpens = 1);
        var python = GatewayHost.Spec() with { Runtime = RuntimeKind.Python.Name };
        host.Add("digits");
        host.Add("faces");
        host.Add("function", python);
        host.Add("other", python);
        Assert.Empty(host.Driver.Expected);

        host.Time.Advance(TimeSpan.FromSeconds(1));
        await Conditions.UntilAsync(() => host.Driver.Expected.Count == 2, "the driver hears of both kinds");

        Assert.Equal([true, false], host.Driver.Expected.Select(spec => spec.Kind.RunsModels).OrderDescending());
    }

    [Fact]
    public async Task A_server_that_stops_while_its_driver_opens_stops_well_whatever_comes_of_that()
    {
        var host = await GatewayHost.StartAsync(prepare: driver => driver.OpensUntilStopped = true);

        await host.StopAsync();
        await host.DisposeAsync();
    }

    [Fact]
    public async Task An_instance_larger_than_the_machines_budget_is_refused_with_both_figures()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_MACHINE__MEMORY"] = "100MiB" });
        host.Add("digits", GatewayHost.Spec() with { MemoryMib = 200 });

        using var answer = await host.InferAsync("digits");

        var problem = await answer.JsonAsync();
        Assert.Equal("start_failed", problem.GetProperty("code").GetString());
        Assert.Contains("200 MiB", problem.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Contains("100 MiB", problem.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_start_without_room_evicts_an_idle_instance_of_another_endpoint()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_MACHINE__MEMORY"] = "100MiB" });
        host.Add("one");
        host.Add("two");

        using var first = await host.InferAsync("one");
        using var second = await host.InferAsync("two");

        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        Assert.Equal(StopReason.Evicted, (await host.Driver.NextStopAsync(Cancellation)).Reason);
        using var again = await host.InferAsync("one");
        Assert.Equal("cold; cause=eviction; rung=pool", again.Header("Dormouse-Start"));
    }

    [Fact]
    public async Task A_start_without_cores_left_to_reserve_waits_and_says_so_until_they_are_free()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_MACHINE__CPU"] = "1.5" });
        host.Driver.HoldRuns();
        host.Add("one", GatewayHost.Spec() with { ReserveCpu = 1 });
        var two = host.Add("two", GatewayHost.Spec() with { ReserveCpu = 0.6 });
        host.Add("free");

        var first = host.InferAsync("one");
        var run = await host.Driver.NextRunAsync(Cancellation);
        var second = host.InferAsync("two");
        await Conditions.UntilAsync(() => host.Dispatch.Samples(two.Endpoint.Id) is [{ Sample.Instances: [{ State: InstanceState.Waiting }] }], "it waits for cores");
        var shown = await (await host.Client.GetAsync("/api/v1/endpoints/two", Cancellation)).JsonAsync();
        Assert.Equal(("waiting", "cpu"), (shown.GetProperty("instances")[0].GetProperty("state").GetString(), shown.GetProperty("instances")[0].GetProperty("waits_for").GetString()));
        Assert.Contains(host.Dispatch.Changes(two.Endpoint.Id), c => c.Change.Reason.Contains("waits: the cores that may be reserved (machine.cpu)", StringComparison.Ordinal));

        // An idle instance keeps nothing from others: it goes for whoever needs its cores.
        run.Release();
        using var one = await first;
        Assert.Equal(StopReason.Evicted, (await host.Driver.NextStopAsync(Cancellation)).Reason);
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        using var answer = await second;
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (one.StatusCode, answer.StatusCode));
    }

    [Fact]
    public async Task More_cores_than_may_be_reserved_are_refused_with_the_setting()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_MACHINE__CPU"] = "0.5" });
        host.Add("large", GatewayHost.Spec() with { ReserveCpu = 1 });

        using var answer = await host.InferAsync("large");

        Assert.Contains("An instance reserves 1 cores; all instances of this machine together may reserve 0.5. Lower the revision", await answer.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_start_too_many_in_a_second_waits_for_its_time()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_MACHINE__STARTS_PER_SECOND"] = "0.5" });
        host.Add("one");
        var two = host.Add("two");

        using var first = await host.InferAsync("one");
        var second = host.InferAsync("two");
        await Conditions.UntilAsync(() => host.Dispatch.Samples(two.Endpoint.Id) is [{ Sample.Instances: [{ State: InstanceState.Waiting, HeldFor: HoldReason.StartRate }] }], "it waits for its time");
        Assert.Contains(host.Dispatch.Changes(two.Endpoint.Id), c => c.Change.Reason.Contains("(machine.starts_per_second)", StringComparison.Ordinal));

        host.Time.Advance(TimeSpan.FromSeconds(2));
        using var answer = await second;

        Assert.Equal((HttpStatusCode.OK, "cold; cause=first; rung=pool"), (answer.StatusCode, answer.Header("Dormouse-Start")));
    }

    [Fact]
    public async Task An_endpoint_that_waits_too_long_for_room_gets_it_from_one_that_is_never_idle()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_MACHINE__MEMORY"] = "100MiB" });
        host.Driver.HoldRuns();
        host.Add("busy");
        var waits = host.Add("waits");
        var running = host.InferAsync("busy");
        var run = await host.Driver.NextRunAsync(Cancellation);
        var queued = host.InferAsync("busy");
        var waiting = host.InferAsync("waits");
        await Conditions.UntilAsync(
            () => host.Dispatch.Samples(waits.Endpoint.Id) is [{ Sample.Instances: [{ State: InstanceState.Waiting }] }], "it waits for room");
        var shown = await (await host.Client.GetAsync("/api/v1/endpoints/waits", Cancellation)).JsonAsync();
        Assert.Equal(("waiting", "waiting"), (shown.GetProperty("status").GetString(), shown.GetProperty("instances")[0].GetProperty("state").GetString()));

        // Both have had their turn by now; the run that is under way is finished.
        host.Time.Advance(TimeSpan.FromSeconds(11));
        await Conditions.UntilAsync(
            () => host.Dispatch.Samples(run.Instance.Id.Revision.Endpoint)[0].Sample.Instances.Any(i => i.State == InstanceState.Draining), "the busy one gives way");
        run.Release();
        using var first = await running;
        Assert.Equal((run.Instance.Id, StopReason.Evicted), await host.Driver.NextStopAsync(Cancellation));
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        using var second = await waiting;
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        using var third = await queued;

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.OK), (first.StatusCode, second.StatusCode, third.StatusCode));
        Assert.Equal("cold; cause=eviction; rung=pool", third.Header("Dormouse-Start"));
        Assert.Contains(host.Dispatch.Changes(run.Instance.Id.Revision.Endpoint), c => c.Change.Reason.StartsWith("another endpoint has waited 10 s for room", StringComparison.Ordinal));
    }
}
