using Dormouse.Core.Instances;

namespace Dormouse.Simulation.Promises;

/// <summary>A plain account of one machine: who waits for room, who holds memory, who starts. Methods return what is broken, or null.</summary>
internal sealed class MachineBook(long budgetMib, int startsAtOnceMax)
{
    private readonly List<InstanceId> _waiting = [];
    private readonly Dictionary<InstanceId, int> _holding = [];
    private readonly HashSet<InstanceId> _starting = [];

    public long HeldMib { get; private set; }

    public string? Requested(InstanceId instance)
    {
        _waiting.Add(instance);
        return null;
    }

    /// <summary>In order of arrival: so nobody starves, however small the others are.</summary>
    public string? Admitted(InstanceId instance, int memoryMib)
    {
        if (_waiting.Count == 0 || _waiting[0] != instance)
        {
            return _waiting.Contains(instance) ? $"the start of {instance} passed {_waiting.IndexOf(instance)} that came before it" : $"{instance} was admitted and did not wait";
        }

        _waiting.RemoveAt(0);
        _holding.Add(instance, memoryMib);
        _starting.Add(instance);
        HeldMib += memoryMib;
        return HeldMib > budgetMib ? $"instances hold {HeldMib} MiB; the machine's budget is {budgetMib}"
            : _starting.Count > startsAtOnceMax ? $"{_starting.Count} start at once; allowed are {startsAtOnceMax}"
            : null;
    }

    public void StartEnded(InstanceId instance) => _starting.Remove(instance);

    public string? Gone(InstanceId instance)
    {
        _starting.Remove(instance);
        if (_holding.Remove(instance, out var memoryMib))
        {
            HeldMib -= memoryMib;
            return null;
        }

        return _waiting.Remove(instance) ? null : $"{instance} went and was not there";
    }
}
