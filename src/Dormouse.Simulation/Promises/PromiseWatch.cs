using System.Text;
using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Simulation.Promises;

/// <summary>
/// Checks after every event of a world that the product keeps its promises: bounds kept, nobody lost or answered twice, no time metered twice or missed, no
/// slot on an instance that drains, is frozen, is full or is over, budget never exceeded, waiting bounded, starts admitted in turn.
/// </summary>
public sealed class PromiseWatch : WorldWatch
{
    private const int TrailLength = 40;

    private readonly WorldPlan _plan;
    private readonly EndpointBook[] _endpoints;
    private readonly MachineBook[] _machines;
    private readonly bool[] _isDown;

    /// <summary>Invocations that came and have not ended, and their endpoints.</summary>
    private readonly Dictionary<long, int> _open = [];
    private readonly Queue<Step> _trail = new();
    private long _came;
    private long _ended;

    public PromiseWatch(WorldPlan plan)
    {
        _plan = plan;
        _isDown = new bool[plan.Machines];
        _endpoints = [.. plan.Endpoints.Select(NewBook)];
        _machines = [.. Enumerable.Range(0, plan.Machines).Select(_ => new MachineBook(plan.Machine.Limits))];
    }

    private static EndpointBook NewBook(EndpointPlan endpoint) => new(endpoint.Spec, endpoint.Floors.Select(f => f.Instances).DefaultIfEmpty().Max());

    public override void Came(long serial, int endpoint, MonotonicTime now)
    {
        _came++;
        Check(_open.TryAdd(serial, endpoint) ? null : $"invocation {serial} came twice", now);
    }

    public override void Ended(long serial, InvocationOutcome outcome, MonotonicTime now)
    {
        _ended++;
        Check(_open.Remove(serial) ? null : $"invocation {serial} ended twice, the second time as {outcome}", now);
    }

    public override void Applied(int endpoint, in RevisionEvent @event, MonotonicTime now, RevisionEffects effects)
    {
        if (_trail.Count == TrailLength)
        {
            _trail.Dequeue();
        }

        _trail.Enqueue(new Step(now, endpoint, @event.Kind, @event.Instance.Number, effects.Grants.Count, effects.Refusals.Count, effects.Starts.Count, effects.Stops.Count));
        Check(_isDown[MachineOf(endpoint)] ? $"endpoint {endpoint} decides on a machine that is down" : _endpoints[endpoint].Apply(@event, now, effects), now);
    }

    public override void SharedRunsBegan(int endpoint, InstanceId instance, int largest, int runs, MonotonicTime now)
    {
        var spec = _plan.Endpoints[endpoint].Spec;
        Check(largest > spec.BatchMax ? $"{largest} invocations share a run; batch_max is {spec.BatchMax}"
            : spec.BatchMax > 1 && runs > spec.Concurrency ? $"{runs} runs share {instance}; concurrency is {spec.Concurrency}"
            : null, now);
    }

    /// <summary>Books of what was there are closed: nobody may be left open, and whatever comes of it later is an error.</summary>
    public override void MachineLost(int machine, MonotonicTime now)
    {
        var left = _open.Where(o => MachineOf(o.Value) == machine).Select(o => o.Key).Take(5).ToList();
        Check(left.Count == 0 ? null : $"machine {machine} is lost and nobody told {string.Join(", ", left)}", now);
        _isDown[machine] = true;
        _machines[machine] = new MachineBook(_plan.Machine.Limits);
        for (var i = machine; i < _endpoints.Length; i += _plan.Machines)
        {
            _endpoints[i] = NewBook(_plan.Endpoints[i]);
        }
    }

    public override void MachineBack(int machine, MonotonicTime now) => _isDown[machine] = false;

    public override void Requested(int machine, InstanceId instance, MonotonicTime now) =>
        Check(_machines[machine].Requested(instance, _plan.Endpoints[SimulatedEndpoint.IndexOf(instance)].Tenant), now);

    public override void Pressed(int machine, InstanceId instance, MonotonicTime now) => _machines[machine].Pressed(instance);

    public override void Admitted(int machine, InstanceId instance, InstanceNeed need, MonotonicTime now) => Check(_machines[machine].Admitted(instance, need, now), now);

    public override void StartEnded(int machine, InstanceId instance) => _machines[machine].StartEnded(instance);

    public override void Gone(int machine, InstanceId instance, MonotonicTime now) => Check(_machines[machine].Gone(instance), now);

    /// <summary>The world has come to rest: nothing is left but what is to be kept.</summary>
    /// <param name="kept">Instances that min-instances keep.</param>
    public void CheckRest(MonotonicTime now, int kept)
    {
        Check(_open.Count == 0 && _came == _ended ? null : $"{_came} came and {_ended} ended; lost: {string.Join(", ", _open.Keys.Take(5))}", now);
        Check(_endpoints.All(e => e.IsAtRest) ? null : "callers wait or run though nothing will happen any more", now);
        var left = _endpoints.Sum(e => e.InstanceCount);
        Check(left <= kept ? null : $"{left} instances are left; {kept} are to be kept", now);
        Check(kept > 0 || _machines.All(m => m.HeldMib == 0) ? null : "memory is held by nobody", now);
    }

    private int MachineOf(int endpoint) => endpoint % _plan.Machines;

    private void Check(string? broken, MonotonicTime now)
    {
        if (broken is null)
        {
            return;
        }

        var text = new StringBuilder($"At {new TimeSpan(now.Ticks).TotalSeconds:0.0000000} s: {broken}. What happened before:");
        foreach (var step in _trail)
        {
            text.Append('\n').Append(
                $"  {new TimeSpan(step.At.Ticks).TotalSeconds:0.0000000} s endpoint {step.Endpoint}: {step.Kind}{(step.Instance > 0 ? $" of instance {step.Instance}" : "")}")
                .Append(step.Grants > 0 ? $", {step.Grants} granted" : "").Append(step.Refusals > 0 ? $", {step.Refusals} refused" : "")
                .Append(step.Starts > 0 ? $", {step.Starts} started" : "").Append(step.Stops > 0 ? $", {step.Stops} stopped" : "");
        }

        throw new BrokenPromiseException(text.ToString());
    }

    private readonly record struct Step(MonotonicTime At, int Endpoint, RevisionEventKind Kind, long Instance, int Grants, int Refusals, int Starts, int Stops);
}
