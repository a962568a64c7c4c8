using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>What a canary's events make of an endpoint. Every store applies these inside its transaction.</summary>
public static class CanaryFlow
{
    /// <summary>A revision's verifying ended, or was skipped: as a canary it takes its share, else all the traffic, unless a newer one has some.</summary>
    /// <param name="giveTraffic">Whether the revision is to serve from now on.</param>
    public static Endpoint Completed(Endpoint endpoint, int revision, RevisionState state, bool giveTraffic, DateTimeOffset now)
    {
        var isCanary = endpoint.Canary is { State: CanaryState.Waiting } canary && canary.Revision == revision;
        if (isCanary && state == RevisionState.Failed)
        {
            return Ended(endpoint, CanaryState.Ended, $"r{revision} was refused at verifying", now);
        }

        if (!giveTraffic || state != RevisionState.Ready)
        {
            return endpoint;
        }

        var isOvertaken = endpoint.Traffic.Any(s => s.Revision > revision);
        return (isCanary, isOvertaken) switch
        {
            (true, false) when !endpoint.Traffic.IsEmpty => Begin(HandoverFlow.TrafficSet(endpoint, $"r{revision} is a canary"), endpoint.Canary!, now), // isCanary says that there is one.
            (true, _) => Ended(endpoint, CanaryState.Ended, isOvertaken ? "a newer revision took the traffic" : "there was no traffic left to compare with", now),
            (false, false) => TrafficSet(endpoint, [new TrafficShare(revision, 100)], $"r{revision} was deployed", now),
            _ => endpoint,
        };
    }

    /// <summary>Someone gives the endpoint this traffic; that ends a canary that runs, and a handover.</summary>
    public static Endpoint TrafficSet(Endpoint endpoint, ImmutableArray<TrafficShare> traffic, string why, DateTimeOffset now)
    {
        endpoint = HandoverFlow.TrafficSet(endpoint, why);
        if (traffic.SequenceEqual(endpoint.Traffic))
        {
            return endpoint;
        }

        var changed = endpoint with { Traffic = traffic, PreviousTraffic = endpoint.Traffic };
        return endpoint.Canary is { State: CanaryState.Running } ? Ended(changed, CanaryState.Ended, why, now) : changed;
    }

    /// <summary>Unloading rolls a canary back that runs, and ends a handover: nobody would watch them.</summary>
    public static Endpoint Unloaded(Endpoint endpoint, bool isUnloaded, DateTimeOffset now)
    {
        var changed = (isUnloaded ? HandoverFlow.TrafficSet(endpoint, "the endpoint was unloaded") : endpoint) with { IsUnloaded = isUnloaded };
        return isUnloaded && endpoint.Canary is { } canary ? Apply(changed, canary.Revision, new CanaryDecision.RollBack("the endpoint was unloaded"), now) : changed;
    }

    /// <summary>Carries a decision out; the endpoint as it is when no canary of this revision runs any more.</summary>
    public static Endpoint Apply(Endpoint endpoint, int revision, CanaryDecision decision, DateTimeOffset now)
    {
        if (endpoint.Canary is not { State: CanaryState.Running } canary || canary.Revision != revision)
        {
            return endpoint;
        }

        return decision switch
        {
            CanaryDecision.Continue { LooksTaken: var looks } => endpoint with { Canary = canary with { LooksTaken = looks } },
            CanaryDecision.Promote { Reason: var reason } => Ended(
                endpoint with { Traffic = [new TrafficShare(revision, 100)], PreviousTraffic = canary.OldTraffic }, CanaryState.Promoted, reason, now),
            CanaryDecision.RollBack { Reason: var reason } => Ended(
                endpoint with { Traffic = canary.OldTraffic, PreviousTraffic = canary.EarlierTraffic }, CanaryState.RolledBack, reason, now),
            _ => throw new ArgumentOutOfRangeException(nameof(decision), decision, null),
        };
    }

    private static Endpoint Begin(Endpoint endpoint, Canary canary, DateTimeOffset now) => endpoint with
    {
        Traffic = Shared(endpoint.Traffic, new TrafficShare(canary.Revision, canary.Policy.Percent)),
        PreviousTraffic = endpoint.Traffic,
        Canary = canary with { State = CanaryState.Running, OldTraffic = endpoint.Traffic, EarlierTraffic = endpoint.PreviousTraffic, StartedAt = now },
    };

    private static Endpoint Ended(Endpoint endpoint, CanaryState state, string reason, DateTimeOffset now) =>
        endpoint with { Canary = endpoint.Canary is { } canary ? canary with { State = state, Reason = reason, EndedAt = now } : null };

    /// <summary>Weights in whole per cent, what rounding leaves over to the largest remainders; a share that comes to nothing is dropped.</summary>
    private static ImmutableArray<TrafficShare> Shared(ImmutableArray<TrafficShare> old, TrafficShare added)
    {
        var rest = 100 - added.Weight;
        var left = rest - old.Sum(s => s.Weight * rest / 100);
        var byRemainder = old.OrderByDescending(s => s.Weight * rest % 100).ThenByDescending(s => s.Weight).Select(s => s.Revision).Take(left).ToHashSet();
        return
        [
            .. old.Select(s => s with { Weight = (s.Weight * rest / 100) + (byRemainder.Contains(s.Revision) ? 1 : 0) })
                .Append(added).Where(s => s.Weight > 0).OrderBy(s => s.Revision),
        ];
    }
}
