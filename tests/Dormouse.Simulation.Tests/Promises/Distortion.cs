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

    /// <summary>What runs on instances.</summary>
    private readonly Dictionary<InstanceId, int> _loads = [];

    /// <summary>Told to give way.</summary>
    private readonly HashSet<InstanceId> _givingWay = [];
    private int _chances;

    public bool HasStruck { get; private set; }

    public void Apply(int endpoint, RevisionEvent @event, RevisionEffects effects)
    {
        // Only on an instance with more than one slot a broken run leaves another running: then it drains.
        if (@event.Kind == RevisionEventKind.Ended && @event.End == SlotEnd.Broken && !_over.Contains(@event.Instance))
        {
            _draining.Add(@event.Instance);
        }

        if (@event.Kind == RevisionEventKind.GiveWay)
        {
            _givingWay.Add(@event.Instance);
        }

        if (@event.Kind == RevisionEventKind.Ended && _loads.TryGetValue(@event.Instance, out var load))
        {
            _loads[@event.Instance] = load - 1;
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

        effects.Grants.ForEach(g => _loads[g.Lease.Instance] = _loads.GetValueOrDefault(g.Lease.Instance) + 1);
    }

    private bool Fits(int endpoint, RevisionEffects effects) => kind switch
    {
        "forgets a grant" or "grants twice" => effects.Grants.Count > 0,
        "grants to one that drains" => effects.Grants.Count > 0 && _draining.Any(i => Of(i, endpoint)),
        "grants to one that is over" => effects.Grants.Count > 0 && _over.Any(i => Of(i, endpoint)),
        "passes the queue" => effects.Grants.Count > 1,
        "gives to the most loaded" => plan.Faults.MachineLossEvery == TimeSpan.Zero && plan.Endpoints[endpoint].Spec is { IsConcurrencyUnlimited: true, Provisioned: 0 } spec && effects.Grants.Count == 1 && MostLoaded(endpoint) is { } most
            && most != effects.Grants[0].Lease.Instance && _loads[most] > _loads.GetValueOrDefault(effects.Grants[0].Lease.Instance) && _loads[most] < spec.Slots,
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

    /// <summary>The one that runs more than every other of an endpoint; null when there is none.</summary>
    private InstanceId? MostLoaded(int endpoint)
    {
        var loads = _loads.Where(l => Of(l.Key, endpoint) && !_over.Contains(l.Key) && !_draining.Contains(l.Key) && !_givingWay.Contains(l.Key)).OrderByDescending(l => l.Value).ToList();
        return loads.Count > 1 && loads[0].Value > loads[1].Value ? loads[0].Key : null;
    }

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
            case "gives to the most loaded":
                Redirect(effects, MostLoaded(endpoint)!.Value);
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
