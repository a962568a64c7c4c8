using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>What a handover's events make of an endpoint. Every store applies these inside its transaction.</summary>
public static class HandoverFlow
{
    /// <summary>Its revision's verifying ended: it begins to warm, unless a newer one has taken the traffic meanwhile.</summary>
    /// <param name="serves">Whether the revision is to serve from now on.</param>
    public static Endpoint Completed(Endpoint endpoint, int revision, RevisionState state, bool serves, DateTimeOffset now) => state switch
    {
        RevisionState.Failed => Ended(endpoint, $"r{revision} was refused at verifying"),
        RevisionState.Ready when serves => endpoint.Traffic.Any(s => s.Revision > revision)
            ? Ended(endpoint, "a newer revision took the traffic")
            : Began(endpoint, now),
        _ => endpoint,
    };

    /// <summary>The endpoint is handed over to this traffic from now on.</summary>
    public static Endpoint Begin(Endpoint endpoint, ImmutableArray<TrafficShare> traffic, HandoverPolicy policy, DateTimeOffset now) => Began(
        endpoint with { Handover = new Handover { Traffic = traffic, Policy = policy, State = HandoverState.Waiting } }, now);

    /// <summary>A revision that is to take all traffic is being verified.</summary>
    public static Endpoint Wait(Endpoint endpoint, int revision, HandoverPolicy policy) => endpoint with
    {
        Handover = new Handover { Traffic = [new TrafficShare(revision, 100)], Policy = policy, State = HandoverState.Waiting },
    };

    /// <summary>Its revision is this one, and is being verified.</summary>
    public static bool WaitsFor(Endpoint endpoint, int revision) =>
        endpoint.Handover is { State: HandoverState.Waiting } handover && handover.Traffic.Any(t => t.Revision == revision);

    /// <summary>Revisions that have something to do for its handover besides carrying traffic: those to be warmed, or those kept.</summary>
    public static ImmutableArray<int> Revisions(Endpoint endpoint) => endpoint.Handover switch
    {
        { State: HandoverState.Warming } handover => [.. handover.Traffic.Select(t => t.Revision)],
        { State: HandoverState.Keeping } handover => [.. handover.Standby.Select(s => s.Revision)],
        _ => [],
    };

    /// <summary>Someone set the traffic, be it to what it was: that ends a handover that warms or keeps. One that waits goes on: its revision decides when it is ready.</summary>
    public static Endpoint TrafficSet(Endpoint endpoint, string why) =>
        endpoint.Handover is { State: HandoverState.Warming or HandoverState.Keeping } ? Ended(endpoint, why) : endpoint;

    /// <summary>Carries a decision out; the endpoint as it is when its handover is not at that point any more.</summary>
    public static Endpoint Apply(Endpoint endpoint, HandoverDecision decision, DateTimeOffset now) => (endpoint.Handover, decision) switch
    {
        ({ State: HandoverState.Warming, Standby.IsEmpty: true } handover, HandoverDecision.Warm { Standby: var standby }) =>
            endpoint with { Handover = handover with { Standby = standby } },
        ({ State: HandoverState.Warming } handover, HandoverDecision.Move move) => endpoint with
        {
            Traffic = handover.Traffic,
            PreviousTraffic = endpoint.Traffic.SequenceEqual(handover.Traffic) ? endpoint.PreviousTraffic : endpoint.Traffic,
            Handover = handover with
            {
                State = move.Standby.IsEmpty ? HandoverState.Done : HandoverState.Keeping,
                Standby = move.Standby,
                Reason = move.Reason,
                MovedAt = now,
            },
        },
        ({ State: HandoverState.Warming } handover, HandoverDecision.Fail { Reason: var reason }) =>
            endpoint with { Handover = handover with { State = HandoverState.Failed, Standby = [], Reason = reason } },
        ({ State: HandoverState.Keeping } handover, HandoverDecision.LetGo) =>
            endpoint with { Handover = handover with { State = HandoverState.Done, Standby = [] } },
        (not null, HandoverDecision.End { Reason: var reason }) => TrafficSet(endpoint, reason),
        _ => endpoint,
    };

    private static Endpoint Began(Endpoint endpoint, DateTimeOffset now) =>
        endpoint with { Handover = endpoint.Handover! with { State = HandoverState.Warming, StartedAt = now } }; // Its callers have just set it or asked for it.

    private static Endpoint Ended(Endpoint endpoint, string reason) =>
        endpoint with { Handover = endpoint.Handover! with { State = HandoverState.Ended, Standby = [], Reason = reason } };
}
