using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Simulation.Tests.Promises;

/// <summary>Plays an engine that breaks one promise, now and then: changes what the real one answered before anybody sees it.</summary>
internal sealed class Distortion(string kind, WorldPlan plan)
{
    private readonly HashSet<InstanceId> _draining = [];
    private readonly List<InstanceId> _over = [];
    private int _chances;

    public bool HasStruck { get; private set; }

    public void Apply(int endpoint, RevisionEvent @event, RevisionEffects effects)
    {
        // Only on an instance with more than one slot a broken run leaves another running: then it drains.
        if (@event.Kind == RevisionEventKind.Ended && @event.End == SlotEnd.Broken && !_over.Contains(@event.Instance))
        {
            _draining.Add(@event.Instance);
        }

        foreach (var stop in effects.Stops)
        {
            End(stop.Instance);
        }

        if (@event.Kind is RevisionEventKind.InstanceLost or RevisionEventKind.InstanceGone)
        {
            End(@event.Instance);
        }

        // The first chance passes, so that the world is under way.
        if (Fits(endpoint, effects) && ++_chances > 1)
        {
            HasStruck = true;
            Strike(endpoint, effects);
        }
    }

    private bool Fits(int endpoint, RevisionEffects effects) => kind switch
    {
        "forgets a grant" or "grants twice" => effects.Grants.Count > 0,
        "grants to one that drains" => effects.Grants.Count > 0 && _draining.Any(i => Of(i, endpoint)),
        "grants to one that is over" => effects.Grants.Count > 0 && _over.Any(i => Of(i, endpoint)),
        "passes the queue" => effects.Grants.Count > 1,
        "meters too much" or "meters too little" or "meters twice" => effects.Metered.Count > 0,
        "starts one too many" => effects.Starts.Count > 0,
        "forgets to wake" => effects.WakeAt != MonotonicTime.Never,
        "stops what is busy" => effects.Grants.Exists(g => !g.Lease.IsProvisioned),
        "stops what is provisioned" => effects.Grants.Exists(g => g.Lease.IsProvisioned),
        "accounts too little provisioned time" => effects.ProvisionedMicroseconds > 0,
        "takes provisioned for on-demand" => effects.Grants.Exists(g => g.Lease.IsProvisioned),
        "refuses who does not wait" => true,
        "forgets to refuse" => effects.Refusals.Exists(r => r.Kind == RefusalKind.QueueTimeout && r.Overflow != OverflowAdvice.InPlaceOfWaiting),
        "refuses for a deadline" => effects.Refusals.Exists(r => r.Kind != RefusalKind.CallerDeadline),
        "sends away who cannot go" => effects.Refusals.Exists(r => r.Overflow == OverflowAdvice.None),
        _ => throw new ArgumentException(kind),
    };

    private void Strike(int endpoint, RevisionEffects effects)
    {
        switch (kind)
        {
            case "forgets a grant":
                effects.Grants.RemoveAt(0);
                break;
            case "grants twice":
                effects.Grants.Add(effects.Grants[0]);
                break;
            case "grants to one that drains":
                Redirect(effects, _draining.First(i => Of(i, endpoint)));
                break;
            case "grants to one that is over":
                Redirect(effects, _over.First(i => Of(i, endpoint)));
                break;
            case "passes the queue":
                effects.Grants.Reverse();
                break;
            case "meters too much":
                effects.Metered[0] = effects.Metered[0] with { MeteredMicroseconds = effects.Metered[0].MeteredMicroseconds + 1_000 };
                break;
            case "meters too little":
                effects.Metered[0] = effects.Metered[0] with { MeteredMicroseconds = effects.Metered[0].MeteredMicroseconds / 2 };
                break;
            case "meters twice":
                effects.Metered.Add(effects.Metered[0]);
                break;
            case "starts one too many":
                for (var i = 0; i < plan.Endpoints[endpoint].Spec.MaxInstances; i++)
                {
                    var first = effects.Starts[0];
                    effects.Starts.Add(first with { Instance = first.Instance with { Number = 100_000 + (10 * _chances) + i } });
                }

                break;
            case "forgets to wake":
                effects.WakeAt = MonotonicTime.Never;
                break;
            case "stops what is busy":
                effects.Stops.Add(new InstanceToStop(effects.Grants.Find(g => !g.Lease.IsProvisioned).Lease.Instance, StopReason.Idle));
                break;
            case "stops what is provisioned":
                effects.Stops.Add(new InstanceToStop(effects.Grants.Find(g => g.Lease.IsProvisioned).Lease.Instance, StopReason.Evicted));
                break;
            case "accounts too little provisioned time":
                effects.ProvisionedMicroseconds--;
                break;
            case "takes provisioned for on-demand":
                var place = effects.Grants.FindIndex(g => g.Lease.IsProvisioned);
                effects.Grants[place] = effects.Grants[place] with { Lease = effects.Grants[place].Lease with { IsProvisioned = false } };
                break;
            case "refuses who does not wait":
                effects.Refusals.Add(new SlotRefusal(long.MaxValue, RefusalKind.QueueTimeout, "", TimeSpan.Zero, null));
                break;
            case "forgets to refuse":
                effects.Refusals.Clear();
                break;
            case "refuses for a deadline":
                var other = effects.Refusals.FindIndex(r => r.Kind != RefusalKind.CallerDeadline);
                effects.Refusals[other] = effects.Refusals[other] with { Kind = RefusalKind.CallerDeadline };
                break;
            case "sends away who cannot go":
                var refused = effects.Refusals.FindIndex(r => r.Overflow == OverflowAdvice.None);
                effects.Refusals[refused] = effects.Refusals[refused] with { Overflow = OverflowAdvice.InPlaceOfRefusal };
                break;
        }
    }

    private void End(InstanceId instance)
    {
        _draining.Remove(instance);
        if (!_over.Contains(instance))
        {
            _over.Insert(0, instance);
        }
    }

    private static void Redirect(RevisionEffects effects, InstanceId to)
    {
        var grant = effects.Grants[0];
        effects.Grants[0] = grant with { Lease = grant.Lease with { Instance = to } };
    }

    private static bool Of(InstanceId instance, int endpoint) => SimulatedEndpoint.IndexOf(instance) == endpoint;
}
