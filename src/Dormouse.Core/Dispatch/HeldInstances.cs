using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// Instances that a revision in use has beyond what its callers wait for: spare capacity, and what the load of the last minute asks for. The larger number counts. They are started
/// only where nothing else needs the room, and the machine may take them back.
/// </summary>
internal sealed class HeldInstances(RevisionSpec spec)
{
    private readonly SpareCapacity _spare = new(spec);
    private readonly LoadTarget _load = new(spec);

    public bool IsWanted => _spare.IsWanted || _load.IsWanted;

    /// <summary>Instances to have now.</summary>
    public int ToStart => Math.Max(_spare.ToStart, _load.Instances);

    /// <summary>Instances that are not stopped for idleness now.</summary>
    public int ToHold => Math.Max(_spare.ToHold, _load.Instances);

    /// <summary>Until when no start is tried; past when none is put off.</summary>
    public MonotonicTime PausedUntil => _spare.PausedUntil;

    /// <summary>When more may be asked for though nothing happens.</summary>
    public MonotonicTime LooksAt => _load.LooksAt;

    /// <summary>When fewer may be held though nothing happens.</summary>
    public MonotonicTime LowersAt => _load.LooksAt < _spare.LowersAt ? _load.LooksAt : _spare.LowersAt;

    /// <summary>An invocation came; to be followed by <see cref="Observe"/>.</summary>
    public void Arrived(MonotonicTime now) => _load.Arrived(now);

    /// <summary>Takes what is so since now.</summary>
    /// <param name="counts">Instances, and what runs on them.</param>
    /// <param name="queued">Invocations that wait.</param>
    /// <param name="isQuiet">Nothing runs or leaves.</param>
    /// <param name="slots">Slots of an instance, at least 1.</param>
    public void Observe(in InstanceCounts counts, int queued, bool isQuiet, int slots, MonotonicTime now)
    {
        if (_load.IsWanted)
        {
            _load.Observe(queued + counts.Running, counts.Ready, slots, now);
        }

        if (_spare.IsWanted)
        {
            _spare.Observe(counts.Running, queued > 0 || !isQuiet, slots, now);
        }
    }

    /// <summary>The machine had no room for one, or took one back.</summary>
    public void NoRoom(MonotonicTime now) => _spare.NoRoom(now);

    /// <summary>One became ready: there is room.</summary>
    public void HasRoom() => _spare.HasRoom();

    /// <summary>Why they are started.</summary>
    public string Reason(in InstanceCounts before, int slots) =>
        _spare.ToStart >= _load.Instances ? Sentences.StartedForSpare(spec.SpareInstances, before, slots) : Sentences.StartedForLoad(_load, before.Live);
}
