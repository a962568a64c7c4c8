using Dormouse.Core.Dispatch;

namespace Dormouse.Simulation.Worlds;

/// <summary>Plays the callers and the gateway: invocations that come, wait, run, end, are tried again, or leave.</summary>
internal sealed class Callers(WorldState world, Dispatch dispatch)
{
    private long _lastSerial;

    /// <summary>The endpoint's next invocation comes.</summary>
    public void Arrive(SimulatedEndpoint endpoint)
    {
        var arrival = endpoint.Next;
        ScheduleNext(endpoint);
        var place = world.Invocations.Open(endpoint.Index, ++_lastSerial, arrival.At, arrival.RunTime);
        world.Totals.Arrived(arrival.At);
        world.Watch?.Came(_lastSerial, endpoint.Index, world.Now);
        if (endpoint.Machine.IsDown)
        {
            world.Totals.Unreachable++;
            End(place, InvocationOutcome.Unreachable);
            return;
        }

        var (faults, callers) = (world.Plan.Faults, world.Plan.Callers);
        if (endpoint.Machine.Random.Happens(callers.WithDeadline))
        {
            world.Invocations[place].Deadline = world.Now + callers.Deadline.Draw(ref endpoint.Machine.Random);
        }

        if (endpoint.Machine.Random.Happens(faults.ImpatientCallers))
        {
            var patience = faults.Patience.Draw(ref endpoint.Machine.Random);
            world.Events.Add(world.Now + patience, new WorldEvent(EventKind.CallerLeaves, place, world.Invocations[place].Generation));
        }

        dispatch.Feed(endpoint, Ask(endpoint, place, isRetry: false, endpoint.MayOverflow));
    }

    /// <summary>Reads the endpoint's next arrival and schedules it.</summary>
    public void ScheduleNext(SimulatedEndpoint endpoint)
    {
        if (endpoint.Plan.Arrivals.TryNext(out var next))
        {
            endpoint.Next = next;
            world.Events.Add(next.At, new WorldEvent(EventKind.Arrival, endpoint.Index, 0));
        }
    }

    public void Granted(SimulatedEndpoint endpoint, in SlotGrant grant)
    {
        var place = InvocationTable.Place(grant.Ticket);
        ref var invocation = ref world.Invocations[place];
        var instance = endpoint.Find(grant.Lease.Instance) ?? throw new InvalidOperationException($"{grant.Lease.Instance} got work and is not there.");
        invocation.Generation++;
        invocation.Waited += world.Now - invocation.WaitsSince;
        invocation.Instance = instance;
        invocation.Lease = grant.Lease;
        instance.Runs.Add(place);
        world.Totals.Granted(grant.Kind, grant.Rung, world.Now);
        if (instance is { Phase: InstancePhase.Ready, Work: { } work })
        {
            world.Events.Add(world.Now + endpoint.Spec.Timeout, new WorldEvent(EventKind.RunLimit, place, invocation.Generation));
            work.Join(new WorkItem(place, invocation.Generation, invocation.RunTime, world.Now), world.Now);
            Schedule(instance, work);
        }
        else if (instance.Phase == InstancePhase.Ready)
        {
            var run = invocation.RunTime < endpoint.Spec.Timeout ? invocation.RunTime : endpoint.Spec.Timeout;
            world.Events.Add(world.Now + run, new WorldEvent(EventKind.RunEnds, place, invocation.Generation));
        }
        else
        {
            // It crashed and the engine has not heard of it: the connection breaks at once.
            BreakRun(place);
        }
    }

    public void Refused(SimulatedEndpoint endpoint, in SlotRefusal refusal)
    {
        var place = InvocationTable.Place(refusal.Ticket);
        if (refusal.Overflow != OverflowAdvice.None && endpoint.MayOverflow)
        {
            // Elsewhere it runs at once; there is always room for so many.
            endpoint.Overflowing++;
            world.Totals.WentElsewhere(world.Plan.Prices);
            world.Events.Add(world.Now + world.Invocations[place].RunTime, new WorldEvent(EventKind.OverflowEnds, endpoint.Index, 0));
            End(place, InvocationOutcome.Overflowed);
        }
        else if (refusal.Overflow == OverflowAdvice.InPlaceOfWaiting)
        {
            dispatch.Follow(endpoint, Ask(endpoint, place, isRetry: false));
        }
        else
        {
            world.Totals.RefusedFor(refusal.Kind);
            End(place, InvocationOutcome.Refused);
        }
    }

    /// <summary>A run is over, by itself or because it exceeded its limit.</summary>
    public void RunEnds(int place, long generation)
    {
        ref var invocation = ref world.Invocations[place];
        if (invocation.IsOpen && invocation.Generation == generation && invocation.Instance is { } instance)
        {
            EndRun(place, instance, invocation.RunTime > instance.Endpoint.Spec.Timeout);
        }
    }

    /// <summary>A run that shares its instance has taken as long as it may, its wait for the run included.</summary>
    public void RunIsLate(int place, long generation)
    {
        ref var invocation = ref world.Invocations[place];
        if (invocation.IsOpen && invocation.Generation == generation && invocation.Instance is { } instance)
        {
            EndRun(place, instance, isLate: true);
        }
    }

    /// <summary>Runs that share an instance go on: some have ended, others begin.</summary>
    public void WorkDue(SimulatedInstance instance, long version)
    {
        if (instance.Phase != InstancePhase.Ready || instance.Work is not { } work || work.Version != version)
        {
            return;
        }

        foreach (var item in work.Advance(world.Now).ToArray())
        {
            // An end before it may have ended the instance.
            ref var invocation = ref world.Invocations[item.Place];
            if (invocation.IsOpen && invocation.Generation == item.Generation && invocation.Instance == instance)
            {
                EndRun(item.Place, instance, isLate: false);
            }
        }

        Schedule(instance, work);
    }

    /// <summary>The machine is lost: whoever waits or runs there has no connection any more.</summary>
    public void BreakAll(SimulatedMachine machine)
    {
        for (var place = 0; place < world.Invocations.Used; place++)
        {
            ref var invocation = ref world.Invocations[place];
            if (invocation.IsOpen && world.Endpoints[invocation.Endpoint].Machine == machine)
            {
                world.Totals.LostWithMachine++;
                End(place, InvocationOutcome.MachineLost);
            }
        }
    }

    private void Schedule(SimulatedInstance instance, InstanceWork work)
    {
        if (work.LargestBegun > 0)
        {
            world.Watch?.SharedRunsBegan(instance.Endpoint.Index, instance.Id, work.LargestBegun, work.Runs, world.Now);
        }

        if (work.NextAt != Core.MonotonicTime.Never)
        {
            world.Events.Add(work.NextAt, new WorldEvent(EventKind.WorkDue, instance.Endpoint.Index, work.Version, instance));
        }
    }

    private void EndRun(int place, SimulatedInstance instance, bool isLate)
    {
        ref var invocation = ref world.Invocations[place];
        var endpoint = instance.Endpoint;
        var answer = endpoint.Machine.Plan.AnswerTime.Draw(ref endpoint.Machine.Random);
        var end = isLate ? SlotEnd.TimedOut : answer > TimeSpan.Zero ? SlotEnd.Answering : SlotEnd.Completed;
        var lease = invocation.Lease;
        instance.Runs.Remove(place);
        if (isLate)
        {
            world.Totals.TimedOut++;
        }
        else
        {
            world.Totals.Latency.Record(world.Now + answer - invocation.ArrivedAt);
            world.Totals.Waiting.Record(invocation.Waited);
        }

        End(place, isLate ? InvocationOutcome.TimedOut : InvocationOutcome.Answered);
        if (end == SlotEnd.Answering)
        {
            world.Events.Add(world.Now + answer, new WorldEvent(EventKind.AnswerLeft, endpoint.Index, 0, instance));
        }

        dispatch.Feed(endpoint, RevisionEvent.Ended(lease, end));
    }

    public void AnswerLeft(SimulatedInstance instance) => dispatch.Feed(instance.Endpoint, RevisionEvent.AnswerLeft(instance.Id));

    /// <summary>A caller who still waits hangs up; one whose invocation runs stays.</summary>
    public void Leave(int place, long generation)
    {
        ref var invocation = ref world.Invocations[place];
        if (invocation.IsOpen && invocation.Generation == generation && invocation.Instance is null)
        {
            var (endpoint, ticket) = (world.Endpoints[invocation.Endpoint], world.Invocations.Ticket(place));
            world.Totals.CallersLeft++;
            End(place, InvocationOutcome.CallerLeft);
            dispatch.Feed(endpoint, RevisionEvent.CallerLeft(ticket));
        }
    }

    /// <summary>The connections to an instance break.</summary>
    public void Break(SimulatedInstance instance)
    {
        while (instance.Runs is [.., var place])
        {
            BreakRun(place);
        }
    }

    private void BreakRun(int place)
    {
        ref var invocation = ref world.Invocations[place];
        var (instance, lease) = (invocation.Instance!, invocation.Lease);
        var endpoint = instance.Endpoint;
        instance.Runs.Remove(place);
        invocation.Instance = null;
        invocation.Generation++;
        invocation.Attempts = invocation.Attempts.With(wasInterrupted: false);
        var mayFollow = invocation.Attempts.MayFollow(invocation.Waited, endpoint.Spec.QueueTimeout);
        if (!mayFollow)
        {
            world.Totals.Crashed++;
            End(place, InvocationOutcome.Crashed);
        }

        dispatch.Follow(endpoint, RevisionEvent.Ended(lease, SlotEnd.Broken));
        if (mayFollow)
        {
            world.Totals.Retries++;
            dispatch.Follow(endpoint, Ask(endpoint, place, isRetry: true));
        }
    }

    private RevisionEvent Ask(SimulatedEndpoint endpoint, int place, bool isRetry, bool canOverflow = false)
    {
        ref var invocation = ref world.Invocations[place];
        invocation.WaitsSince = world.Now;
        var ticket = world.Invocations.Ticket(place);
        world.Watch?.Waits(invocation.Serial, ticket);
        var every = endpoint.Plan.DeferredEvery;
        var wishes = new CallerWishes(invocation.Deadline, QueuePriority.Normal, canOverflow, every > 0 && invocation.Serial % every == 0);
        return RevisionEvent.Arrived(ticket, world.Now + endpoint.Spec.QueueTimeout, bodyBytes: 0, isRetry, wishes);
    }

    private void End(int place, InvocationOutcome outcome)
    {
        world.Watch?.Ended(world.Invocations[place].Serial, outcome, world.Now);
        world.Invocations.Close(place);
    }
}
