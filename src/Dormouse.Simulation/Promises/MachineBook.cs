using Dormouse.Core;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Simulation.Promises;

/// <summary>
/// A plain account of one machine: who waits for room, who holds memory, who starts. Methods return what is broken, or null. Turns are checked by what they promise, not by how they are
/// taken: nobody gets a second one while another waits for the first.
/// </summary>
internal sealed class MachineBook(MachineLimits limits)
{
    /// <summary>In order of arrival; one that presses joins anew at the end.</summary>
    private readonly List<Waiting> _waiting = [];

    /// <summary>Who had a turn since an endpoint (or tenant), pressing or not, waits for its own.</summary>
    private readonly Dictionary<(bool IsPressing, object Waits), HashSet<object>> _passed = [];
    private readonly Dictionary<InstanceId, InstanceNeed> _holding = [];
    private readonly HashSet<InstanceId> _starting = [];

    /// <summary>When starts began, newest last.</summary>
    private readonly List<MonotonicTime> _began = [];

    public long HeldMib => _holding.Values.Sum(n => (long)n.MemoryMib);

    private long HeldCpuMillis => _holding.Values.Sum(n => (long)n.CpuMillis);

    public string? Requested(InstanceId instance, TenantId tenant)
    {
        _waiting.Add(new Waiting(instance, tenant, IsPressing: false));
        return null;
    }

    public void Pressed(InstanceId instance)
    {
        var place = _waiting.FindIndex(w => w.Instance == instance && !w.IsPressing);
        if (place >= 0)
        {
            _waiting.Add(_waiting[place] with { IsPressing = true });
            _waiting.RemoveAt(place);
            ForgetWhoWaitsNoMore();
        }
    }

    public string? Admitted(InstanceId instance, InstanceNeed need, MonotonicTime now)
    {
        var waiting = _waiting.Find(w => w.Instance == instance);
        if (waiting.Instance != instance)
        {
            return $"{instance} was admitted and did not wait";
        }

        var broken = PassedOver(waiting);
        _waiting.Remove(waiting);
        ForgetWhoWaitsNoMore();
        _holding.Add(instance, need);
        _starting.Add(instance);
        return broken ?? (HeldMib > limits.MemoryMib ? $"instances hold {HeldMib} MiB; the machine's budget is {limits.MemoryMib}"
            : HeldCpuMillis > limits.CpuMillis ? $"{HeldCpuMillis} thousandths of a core are reserved; allowed are {limits.CpuMillis}"
            : _starting.Count > limits.StartsAtOnce ? $"{_starting.Count} start at once; allowed are {limits.StartsAtOnce}"
            : TooFast(now));
    }

    public void StartEnded(InstanceId instance) => _starting.Remove(instance);

    public string? Gone(InstanceId instance)
    {
        _starting.Remove(instance);
        if (_holding.Remove(instance))
        {
            return null;
        }

        var waited = _waiting.RemoveAll(w => w.Instance == instance) > 0;
        ForgetWhoWaitsNoMore();
        return waited ? null : $"{instance} went and was not there";
    }

    /// <summary>In any stretch of time no more starts begin than a second's worth, at least one, and the rate times its length.</summary>
    private string? TooFast(MonotonicTime now)
    {
        if (limits.StartsPerSecond is not { } rate)
        {
            return null;
        }

        _began.Add(now);
        var burst = Math.Max(1, Math.Floor(rate));
        for (var i = 0; i < _began.Count; i++)
        {
            var (count, seconds) = (_began.Count - i, (now - _began[i]).TotalSeconds);
            if (count > burst + (seconds * rate) + 1e-6)
            {
                return $"{count} starts began within {seconds:0.000} s; allowed are {rate:0.###} a second and {burst} at once";
            }
        }

        return null;
    }

    /// <summary>Whether somebody should have been before it.</summary>
    private string? PassedOver(Waiting one)
    {
        if (!one.IsPressing && _waiting.Exists(w => w.IsPressing))
        {
            return $"the start of {one.Instance} passed one that presses";
        }

        var others = _waiting.Where(w => w.IsPressing == one.IsPressing).ToList();
        var before = others.Where(w => w.Endpoint == one.Endpoint).TakeWhile(w => w != one).Count();
        if (before > 0)
        {
            return $"the start of {one.Instance} passed {before} of its endpoint that came before it";
        }

        _passed.Remove((one.IsPressing, one.Endpoint));
        _passed.Remove((one.IsPressing, one.Tenant));
        return Passes(one, one.Endpoint, others.Where(w => w.Tenant == one.Tenant && w.Endpoint != one.Endpoint).Select(w => (object)w.Endpoint), "endpoint")
            ?? Passes(one, one.Tenant, others.Where(w => w.Tenant != one.Tenant).Select(w => (object)w.Tenant), "tenant");
    }

    private string? Passes(Waiting one, object passer, IEnumerable<object> passed, string what)
    {
        foreach (var other in passed.Distinct())
        {
            if (!_passed.TryGetValue((one.IsPressing, other), out var passers))
            {
                _passed.Add((one.IsPressing, other), passers = []);
            }

            if (!passers.Add(passer))
            {
                return $"the start of {one.Instance} is the second of its {what} while another {what} waits for its first";
            }
        }

        return null;
    }

    private void ForgetWhoWaitsNoMore()
    {
        foreach (var key in _passed.Keys.Where(k => !_waiting.Exists(w => w.IsPressing == k.IsPressing && (k.Waits.Equals(w.Endpoint) || k.Waits.Equals(w.Tenant)))).ToList())
        {
            _passed.Remove(key);
        }
    }

    private readonly record struct Waiting(InstanceId Instance, TenantId Tenant, bool IsPressing)
    {
        public EndpointId Endpoint => Instance.Revision.Endpoint;
    }
}
