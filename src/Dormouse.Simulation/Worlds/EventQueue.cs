using Dormouse.Core;

namespace Dormouse.Simulation.Worlds;

internal enum EventKind : byte
{
    /// <summary>The next invocation of an endpoint comes.</summary>
    Arrival,

    /// <summary>A run ends; the event is stale when its slot in the table was granted again.</summary>
    RunEnds,

    /// <summary>A run that shares its instance has taken as long as it may; stale as <see cref="RunEnds"/> is.</summary>
    RunLimit,

    /// <summary>On an instance whose invocations share runs or cores, one ends or begins.</summary>
    WorkDue,
    AnswerLeft,
    CallerLeaves,

    /// <summary>An invocation at an overflow address has ended.</summary>
    OverflowEnds,

    /// <summary>An engine asked to be woken.</summary>
    Wake,
    StartEnds,

    /// <summary>A frozen instance goes on.</summary>
    ThawEnds,
    Crash,

    /// <summary>The driver finds out that an instance ended.</summary>
    Lost,
    Gone,
    ClockJump,
    MachineLost,
    MachineBack,

    /// <summary>A start waited for its turn in time.</summary>
    MachineLooks,

    /// <summary>The accounts of an endpoint's provisioned time are closed up to now.</summary>
    MeterProvisioned,

    /// <summary>A schedule asks for another number of instances.</summary>
    FloorChanges,

    /// <summary>The traffic comes or goes.</summary>
    TrafficShifts,
}

/// <param name="Index">Of the endpoint, invocation or machine it is about.</param>
/// <param name="Value">The invocation's run, the version of an instance's work, or the time that was wished for.</param>
internal readonly record struct WorldEvent(EventKind Kind, int Index, long Value, SimulatedInstance? Instance = null);

/// <summary>What will happen, earliest first; of what falls on one moment, what was scheduled first.</summary>
internal sealed class EventQueue
{
    private readonly PriorityQueue<WorldEvent, Place> _heap = new();
    private long _lastSequence;

    public void Add(MonotonicTime at, in WorldEvent what) => _heap.Enqueue(what, new Place(at.Ticks, ++_lastSequence));

    /// <summary>When the next thing happens; false when nothing will.</summary>
    public bool TryPeek(out MonotonicTime at)
    {
        var isThere = _heap.TryPeek(out _, out var place);
        at = new MonotonicTime(place.Ticks);
        return isThere;
    }

    public bool TryTake(out MonotonicTime at, out WorldEvent what)
    {
        var isThere = _heap.TryDequeue(out what, out var place);
        at = new MonotonicTime(place.Ticks);
        return isThere;
    }

    private readonly record struct Place(long Ticks, long Sequence) : IComparable<Place>
    {
        public int CompareTo(Place other) => Ticks != other.Ticks ? Ticks.CompareTo(other.Ticks) : Sequence.CompareTo(other.Sequence);
    }
}
