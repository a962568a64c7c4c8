using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Overflow;
using Dormouse.Server.Usage;

namespace Dormouse.Server.Gateway;

/// <summary>
/// The way of one invocation from its slot to its receipt, the same for HTTP and gRPC: waits for a slot, opens the journal, lets the exchange send, and decides
/// what a broken connection means: another try on another instance, or which failure.
/// </summary>
internal sealed class InvocationRunner(
    DispatchService dispatch, InstanceConnections connections, InvocationRecorder recorder, InvocationCounts counts, OverflowSender overflow, TimeProvider time)
{
    /// <summary>
    /// How long a broken connection waits to learn why its instance ended. The launcher reports within milliseconds; on a machine that is out of processor time it takes longer, and without the reason a run
    /// over its memory would be tried again and an instance killed from outside would count as one that crashed.
    /// </summary>
    private static readonly TimeSpan ReasonLimit = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource _lastEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _active;
    private volatile bool _isStopping;

    /// <summary>Raised once when <see cref="BeginShutdown"/> is called.</summary>
    public event Action? Stopping;

    public bool IsStopping => _isStopping;

    /// <param name="callerLeft">
    /// Fires when the caller hangs up: a waiting invocation gives up its place, also between two attempts; a running one is finished for its receipt.
    /// </param>
    public async ValueTask<RunEnd> RunAsync(Invocation invocation, Exchange exchange, CancellationToken callerLeft)
    {
        Interlocked.Increment(ref _active);
        try
        {
            return _isStopping ? new RunEnd.Failed(Problem.ServerStopping) : await RunAttemptsAsync(invocation, exchange, callerLeft);
        }
        finally
        {
            if (Interlocked.Decrement(ref _active) == 0 && _isStopping)
            {
                _lastEnded.TrySetResult();
            }
        }
    }

    /// <summary>Takes no new invocations.</summary>
    public void BeginShutdown()
    {
        _isStopping = true;
        Stopping?.Invoke();
        if (Volatile.Read(ref _active) == 0)
        {
            _lastEnded.TrySetResult();
        }
    }

    /// <summary>Waits for those that were taken before <see cref="BeginShutdown"/>.</summary>
    public Task WhenEndedAsync(CancellationToken cancellationToken) => _lastEnded.Task.WaitAsync(cancellationToken);

    private async ValueTask<RunEnd> RunAttemptsAsync(Invocation invocation, Exchange exchange, CancellationToken callerLeft)
    {
        var lane = overflow.LaneOf(invocation, exchange);
        while (true)
        {
            var isRetry = invocation.Sequence is not null;
            var (refusal, advice) = await AcquireAsync(invocation, exchange, isRetry, !isRetry && lane is not null && overflow.HasRoom(lane), callerLeft);
            if (advice != OverflowAdvice.None && lane is not null)
            {
                if (await overflow.SendAsync(invocation, exchange, lane, callerLeft) is { } sentAway)
                {
                    return sentAway;
                }

                lane = null;
                if (advice == OverflowAdvice.InPlaceOfWaiting)
                {
                    continue;
                }
            }

            if (refusal is not null)
            {
                return GiveUp(invocation, refusal);
            }

            if (!isRetry && !recorder.TryOpen(invocation))
            {
                invocation.HoldsSlot = false;
                dispatch.Release(invocation.Grant.Lease, SlotEnd.Completed);
                counts.Refused(invocation, Problem.LedgerUnavailable);
                return new RunEnd.Failed(Problem.LedgerUnavailable);
            }

            using var deadline = new RunDeadline(invocation.Revision.Spec.Timeout, time);
            var run = new InvocationRun(invocation, connections.For(invocation.Grant.Lease), dispatch, recorder, callerLeft) { Deadline = deadline };
            AttemptEnd end;
            try
            {
                end = await exchange.SendAsync(run, deadline.Token);
            }
            finally
            {
                run.AnswerRead();
            }

            if (end == AttemptEnd.Answered)
            {
                return RunEnd.Answered.Instance;
            }

            if (await JudgeAsync(run, exchange, end) is { } ended)
            {
                return ended;
            }

            counts.Retried(invocation);
        }
    }

    /// <summary>No end when a slot was granted, else why not, and whether to go elsewhere.</summary>
    private async ValueTask<(RunEnd? End, OverflowAdvice Advice)> AcquireAsync(Invocation invocation, Exchange exchange, bool isRetry, bool canOverflow, CancellationToken callerLeft)
    {
        SlotResult result;
        using var leaving = exchange.MayFailWaiting ? CancellationTokenSource.CreateLinkedTokenSource(callerLeft) : null;
        var terms = invocation.Terms;
        var left = terms.Within is { } within ? within - time.GetElapsedTime(invocation.ArrivedTimestamp) : (TimeSpan?)null;
        var request = new SlotRequest(exchange.BodyBytes, isRetry, left, terms.Priority, canOverflow, invocation.IsDeferred);
        var asking = dispatch.AcquireAsync(invocation.Revision, request, leaving?.Token ?? callerLeft);
        if (asking.IsCompletedSuccessfully)
        {
            result = asking.Result;
        }
        else
        {
            SlotResult? waited;
            try
            {
                waited = await WaitAsync(asking.AsTask(), leaving, exchange);
            }
            catch (OperationCanceledException) when (callerLeft.IsCancellationRequested)
            {
                return (RunEnd.CallerLeft.Instance, OverflowAdvice.None);
            }

            if (waited is null)
            {
                RunEnd end = callerLeft.IsCancellationRequested
                    ? RunEnd.CallerLeft.Instance
                    : new RunEnd.Failed(exchange.BodyProblem ?? throw new InvalidOperationException("A body failed without a problem."));
                return (end, OverflowAdvice.None);
            }

            result = waited;
        }

        if (result is SlotResult.Refused refused)
        {
            return (new RunEnd.Failed(Problem.Of(refused.Refusal, _isStopping, invocation.Endpoint.Name)), refused.Refusal.Overflow);
        }

        var granted = ((SlotResult.Granted)result).Grant;
        if (callerLeft.IsCancellationRequested)
        {
            dispatch.Release(granted.Lease, SlotEnd.Completed);
            return (RunEnd.CallerLeft.Instance, OverflowAdvice.None);
        }

        invocation.Granted(granted, time.GetTimestamp());
        counts.Granted(invocation, granted);
        return (null, OverflowAdvice.None);
    }

    /// <summary>Null when the body failed meanwhile. Whoever does not get the result, by a fault or by the caller's leaving, does not keep its slot either.</summary>
    private async ValueTask<SlotResult?> WaitAsync(Task<SlotResult> grant, CancellationTokenSource? leaving, Exchange exchange)
    {
        try
        {
            if (await exchange.WhileWaitingAsync(grant))
            {
                return await grant;
            }
        }
        catch
        {
            await GiveBackAsync(grant, leaving);
            throw;
        }

        await GiveBackAsync(grant, leaving);
        return null;
    }

    /// <summary>An invocation that waited will not run: it gives up its place, or the slot when that came first.</summary>
    private async ValueTask GiveBackAsync(Task<SlotResult> grant, CancellationTokenSource? leaving)
    {
        if (leaving is not null)
        {
            await leaving.CancelAsync();
        }

        try
        {
            if (await grant is SlotResult.Granted granted)
            {
                dispatch.Release(granted.Grant.Lease, SlotEnd.Completed);
            }
        }
        catch (OperationCanceledException) when (grant.IsCanceled)
        {
            // The place is given up, as wanted.
        }
    }

    /// <summary>It ends without having been answered: when it had run before, the receipt says so.</summary>
    private RunEnd GiveUp(Invocation invocation, RunEnd end)
    {
        var problem = (end as RunEnd.Failed)?.Problem;
        if (problem is not null)
        {
            counts.Refused(invocation, problem);
        }

        if (invocation.Sequence is not null)
        {
            var outcome = problem is null ? Outcome.CallerLeft : Outcome.WorkerCrashed;
            recorder.Close(invocation, new InvocationEnd(outcome, problem?.Code.Status ?? 0, 0, 0, 0));
        }

        return end;
    }

    /// <summary>Decides what became of an attempt that was not answered. Null = try again.</summary>
    private async ValueTask<RunEnd?> JudgeAsync(InvocationRun run, Exchange exchange, AttemptEnd end)
    {
        var invocation = run.Invocation;
        if (end == AttemptEnd.BodyFailed)
        {
            var problem = exchange.BodyProblem ?? throw new InvalidOperationException($"The body of {invocation.Id} failed without a problem.");
            run.Failed(SlotEnd.Completed, run.HasCallerLeft ? Outcome.CallerLeft : Outcome.Rejected, problem.Code.Status);
            return run.HasCallerLeft ? RunEnd.CallerLeft.Instance : new RunEnd.Failed(problem);
        }

        if (run.Deadline.HasPassed && invocation.Receipt is null)
        {
            var late = new Problem(
                ProblemCode.DeadlineExceeded,
                $"The run took longer than the {Seconds(invocation.Revision.Spec.Timeout)} that revision r{invocation.Revision.Id.Number} allows and was ended. Raise --timeout or send less work.");
            run.Failed(SlotEnd.TimedOut, Outcome.DeadlineExceeded, late.Code.Status);
            return Ended(run, end, late);
        }

        if (invocation.Receipt is not null)
        {
            // The run had ended well; its answer was lost on the way.
            var lost = run.Deadline.HasPassed
                ? new Problem(ProblemCode.DeadlineExceeded, "The answer was read too slowly: its caller was cut off, so that the instance could go.")
                : Crashed(invocation, "The instance ended while its answer was being sent.");
            return Ended(run, end, lost);
        }

        if (_isStopping)
        {
            // The server itself ended the instance: nobody pays for that.
            run.Failed(SlotEnd.Broken, Outcome.ServerLost, Problem.ServerStopping.Code.Status);
            return Ended(run, end, Problem.ServerStopping);
        }

        // First the reason, then the end of the slot: an engine that is told of a broken connection stops the instance, which would hide how it died.
        var why = await dispatch.Ends.WhyAsync(invocation.Grant.Lease.Instance, ReasonLimit);
        if (why?.Loss is { Kind: InstanceLossKind.MemoryExceeded })
        {
            var memory = new Problem(
                ProblemCode.MemoryExceeded,
                $"The instance needed more than its {invocation.Revision.Spec.MemoryMib} MiB and was ended. Raise --memory or send less work at once.");
            run.Failed(SlotEnd.Broken, Outcome.MemoryExceeded, memory.Code.Status);
            return Ended(run, end, memory);
        }

        invocation.Attempts = invocation.Attempts.With(end == AttemptEnd.NotTaken || why?.Loss is { Kind: InstanceLossKind.Killed });
        if (end is AttemptEnd.Broken or AttemptEnd.NotTaken && exchange.CanRepeat && !run.HasCallerLeft
            && invocation.Attempts.MayFollow(invocation.Waited, invocation.Revision.Spec.QueueTimeout))
        {
            run.GivenUp(SlotEnd.Broken);
            return null;
        }

        var crashed = Crashed(invocation, Reason(why));
        run.Failed(SlotEnd.Broken, Outcome.WorkerCrashed, crashed.Code.Status);
        return Ended(run, end, crashed);
    }

    private static RunEnd Ended(InvocationRun run, AttemptEnd end, Problem problem) =>
        run.HasCallerLeft ? RunEnd.CallerLeft.Instance : end == AttemptEnd.BrokenInAnswer ? new RunEnd.Cut(problem) : new RunEnd.Failed(problem);

    private static Problem Crashed(Invocation invocation, string reason) =>
        new(ProblemCode.WorkerCrashed, $"{reason} Instance {invocation.Grant.Lease.Instance}; see 'dormouse logs {invocation.Endpoint.Name}'.");

    private static string Reason(InstanceEnd? why) => why switch
    {
        { Loss: { Kind: InstanceLossKind.LauncherLost } } => "The program that holds the instances ended and is being replaced.",
        { Loss: { } loss } => $"The instance ended during the run: {loss.Detail.TrimEnd('.')}.",
        { Stopped: StopReason.TimedOut } => "The instance was ended because another run on it exceeded its time limit.",
        { Stopped: not null } => "The instance was stopped during the run.",
        _ => "The connection to the instance broke during the run.",
    };

    private static string Seconds(TimeSpan span) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.###} s");
}
