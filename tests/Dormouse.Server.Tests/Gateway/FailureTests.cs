using System.Net;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;
using Dormouse.Server.Dispatch;

namespace Dormouse.Server.Tests.Gateway;

public sealed class FailureTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_crash_is_retried_once_on_another_instance_and_the_caller_sees_nothing()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");

        var call = host.InferAsync("digits", "{\"id\":\"7\"}");
        var first = await host.Driver.NextRunAsync(Cancellation);
        await host.Driver.LoseAsync(first.Instance.Id, InstanceLossKind.Crashed);
        var second = await host.Driver.NextRunAsync(Cancellation);
        second.Release();
        using var answer = await call;

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.NotEqual(first.Instance.Id, second.Instance.Id);
        Assert.Equal(first.Body, second.Body);
        var receipt = Assert.Single(host.Journal.Receipts);
        Assert.Equal((Outcome.Completed, 200, second.Instance.Id.Number), (receipt.Outcome, receipt.Status, receipt.Instance));
    }

    [Fact]
    public async Task A_second_crash_is_told()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");

        var call = host.InferAsync("digits");
        await host.Driver.LoseAsync((await host.Driver.NextRunAsync(Cancellation)).Instance.Id, InstanceLossKind.Crashed);
        await host.Driver.LoseAsync((await host.Driver.NextRunAsync(Cancellation)).Instance.Id, InstanceLossKind.Crashed);
        using var answer = await call;

        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        var problem = await answer.JsonAsync();
        Assert.Equal("worker_crashed", problem.GetProperty("code").GetString());
        Assert.True(problem.GetProperty("retryable").GetBoolean());
        Assert.Contains("signal 11", problem.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal((Outcome.WorkerCrashed, 502), Assert.Single(host.Journal.Receipts) is var r ? (r.Outcome, r.Status) : default);
    }

    [Fact]
    public async Task Instances_killed_from_outside_are_no_fault_of_the_run_up_to_five_times()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");

        var answered = host.InferAsync("digits");
        for (var i = 0; i < 4; i++)
        {
            await host.Driver.LoseAsync((await host.Driver.NextRunAsync(Cancellation)).Instance.Id, InstanceLossKind.Killed);
        }

        (await host.Driver.NextRunAsync(Cancellation)).Release();
        using var first = await answered;
        var told = host.InferAsync("digits");
        for (var i = 0; i < 5; i++)
        {
            await host.Driver.LoseAsync((await host.Driver.NextRunAsync(Cancellation)).Instance.Id, InstanceLossKind.Killed);
        }

        using var second = await told;
        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        Assert.Equal("worker_crashed", await second.CodeAsync());
    }

    [Fact]
    public async Task A_caller_who_leaves_before_the_retry_has_a_slot_frees_its_place()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("digits");
        using var leaving = new CancellationTokenSource();

        var call = host.LeavingInferAsync("digits", leaving.Token);
        var run = await host.Driver.NextRunAsync(Cancellation);
        host.Driver.IsReadyAtOnce = false;
        await host.Driver.LoseAsync(run.Instance.Id, InstanceLossKind.Crashed);
        await host.Driver.NextStartAsync(Cancellation);
        await host.Driver.NextStartAsync(Cancellation);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        var receipt = await host.Journal.NextReceiptAsync(Cancellation);

        Assert.Equal((Outcome.CallerLeft, 0, 0L), (receipt.Outcome, receipt.Status, receipt.MeteredMicroseconds));
        Assert.Equal(0, host.Dispatch.Samples(route.Endpoint.Id).Sum(s => s.Sample.Queued + s.Sample.Running));
    }

    [Fact]
    public async Task A_large_body_is_not_kept_so_its_crash_is_told_at_once()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");

        var call = host.Client.PostAsync("/v2/models/digits/infer", new ByteArrayContent(new byte[3 << 20]), Cancellation);
        await host.Driver.LoseAsync((await host.Driver.NextRunAsync(Cancellation)).Instance.Id, InstanceLossKind.Crashed);
        using var answer = await call;

        Assert.Equal("worker_crashed", await answer.CodeAsync());
        Assert.Equal(1, host.Driver.Started);
    }

    [Fact]
    public async Task The_engine_is_told_of_a_loss_before_those_who_wait_to_know_why()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");
        var call = host.InferAsync("digits");
        var run = await host.Driver.NextRunAsync(Cancellation);
        Task<InstanceEnd?>? why = null;
        var wasKnown = true;
        host.Service<DispatchEvents>().Lost += (_, instance, _) =>
        {
            why = host.Dispatch.Ends.WhyAsync(instance, TimeSpan.FromMinutes(1)).AsTask();
            wasKnown = why.IsCompleted;
        };

        await host.Driver.LoseAsync(run.Instance.Id, InstanceLossKind.MemoryExceeded);
        using var answer = await call;

        Assert.Equal("memory_exceeded", await answer.CodeAsync());
        Assert.False(wasKnown);
        Assert.Equal(InstanceLossKind.MemoryExceeded, (await why!)?.Loss?.Kind);
    }

    [Fact]
    public async Task A_run_that_needs_too_much_memory_is_told_and_never_retried()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");

        var call = host.InferAsync("digits");
        await host.Driver.LoseAsync((await host.Driver.NextRunAsync(Cancellation)).Instance.Id, InstanceLossKind.MemoryExceeded);
        using var answer = await call;

        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        Assert.Equal("memory_exceeded", await answer.CodeAsync());
        Assert.Equal(Outcome.MemoryExceeded, Assert.Single(host.Journal.Receipts).Outcome);
        Assert.Equal(1, host.Driver.Started);
    }

    [Fact]
    public async Task A_run_over_its_limit_is_ended_with_its_instance_and_its_neighbour_runs_again()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits", GatewayHost.Spec() with { Concurrency = 2, Timeout = TimeSpan.FromSeconds(10) });

        var late = host.InferAsync("digits", "late");
        var lateRun = await host.Driver.NextRunAsync(Cancellation);
        host.Time.Advance(TimeSpan.FromSeconds(6));
        var neighbour = host.InferAsync("digits", "neighbour");
        var neighbourRun = await host.Driver.NextRunAsync(Cancellation);
        Assert.Equal(lateRun.Instance.Id, neighbourRun.Instance.Id);
        host.Time.Advance(TimeSpan.FromSeconds(5));
        using var timedOut = await late;
        var again = await host.Driver.NextRunAsync(Cancellation);
        again.Release();
        using var answered = await neighbour;

        Assert.Equal(HttpStatusCode.GatewayTimeout, timedOut.StatusCode);
        Assert.Equal("deadline_exceeded", await timedOut.CodeAsync());
        Assert.Equal(StopReason.TimedOut, (await host.Driver.NextStopAsync(Cancellation)).Reason);
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
        Assert.NotEqual(neighbourRun.Instance.Id, again.Instance.Id);
        var receipts = host.Journal.Receipts.ToDictionary(r => r.Outcome);
        Assert.Equal(504, receipts[Outcome.DeadlineExceeded].Status);
        Assert.Equal(11_000_000, receipts[Outcome.DeadlineExceeded].Times.RunMicroseconds);
        Assert.Equal(200, receipts[Outcome.Completed].Status);
    }

    [Fact]
    public async Task A_caller_who_leaves_during_the_run_is_metered_to_its_end()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");
        using var leaving = new CancellationTokenSource();

        var call = host.LeavingInferAsync("digits", leaving.Token);
        var run = await host.Driver.NextRunAsync(Cancellation);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await Conditions.UntilAsync(() => host.Service<CallersLeft>().Count == 1, "the server noticed that its caller left");
        Assert.False(run.Context.RequestAborted.IsCancellationRequested);
        run.Release();
        var receipt = await host.Journal.NextReceiptAsync(Cancellation);

        Assert.Equal((Outcome.CallerLeft, 0, 250), (receipt.Outcome, receipt.Status, receipt.Times.RunMicroseconds));
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_cut_for_the_caller_too()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = async run =>
        {
            run.Context.Response.ContentLength = 1000;
            await run.Context.Response.Body.WriteAsync(new byte[10], Cancellation);
            await run.Context.Response.Body.FlushAsync(Cancellation);
            await host.Driver.LoseAsync(run.Instance.Id, InstanceLossKind.Crashed);
        };
        host.Add("app", GatewayHost.Program());

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => host.Client.GetByteArrayAsync("/invoke/app", Cancellation));

        var receipt = await host.Journal.NextReceiptAsync(Cancellation);
        Assert.Equal(Outcome.WorkerCrashed, receipt.Outcome);
    }

    [Fact]
    public async Task The_workers_problem_is_passed_on_with_the_invocations_id()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(
            run.Context, 400, "application/json", """{"status":400,"code":"input_invalid","detail":"no input 'z'","error":"no input 'z'","retryable":false}"""u8.ToArray());
        host.Add("digits");

        using var answer = await host.InferAsync("digits");

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var problem = await answer.JsonAsync();
        Assert.Equal(("input_invalid", "no input 'z'"), (problem.GetProperty("code").GetString(), problem.GetProperty("error").GetString()));
        Assert.Equal(answer.Header("Dormouse-Invocation-Id"), problem.GetProperty("invocation_id").GetString());
        Assert.Equal((Outcome.Rejected, 400), Assert.Single(host.Journal.Receipts) is var r ? (r.Outcome, r.Status) : default);
    }

    [Theory]
    [InlineData(200, Outcome.Completed)]
    [InlineData(422, Outcome.Rejected)]
    [InlineData(500, Outcome.Failed)]
    [InlineData(503, Outcome.Failed)]
    public async Task The_outcome_follows_the_instances_status_and_what_ran_is_metered(int status, Outcome outcome)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = run =>
        {
            host.Time.Advance(TimeSpan.FromMilliseconds(2));
            return FakeInstance.AnswerAsync(run.Context, status, "application/json", "{}"u8.ToArray(), runMicroseconds: 1_500);
        };
        host.Add("digits");

        using var answer = await host.InferAsync("digits");

        Assert.Equal(status, (int)answer.StatusCode);
        var receipt = Assert.Single(host.Journal.Receipts);
        Assert.Equal((outcome, status, 2L), (receipt.Outcome, receipt.Status, receipt.BilledMilliseconds));
    }
}
