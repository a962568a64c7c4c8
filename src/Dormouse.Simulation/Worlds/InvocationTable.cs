using Dormouse.Core;
using Dormouse.Core.Dispatch;

namespace Dormouse.Simulation.Worlds;

/// <summary>One invocation from its arrival to its end.</summary>
internal struct Invocation
{
    /// <summary>Unique in the world.</summary>
    public long Serial;
    public int Endpoint;

    /// <summary>Grows whenever the place is taken or granted a slot: makes events of an earlier life or run stale.</summary>
    public int Generation;

    public MonotonicTime ArrivedAt;

    /// <summary>Its caller's own; never = he did not say.</summary>
    public MonotonicTime Deadline;

    /// <summary>When it last began to wait.</summary>
    public MonotonicTime WaitsSince;

    /// <summary>Waiting of all attempts so far.</summary>
    public TimeSpan Waited;
    public TimeSpan RunTime;
    public Attempts Attempts;

    /// <summary>Where it runs; null while it waits.</summary>
    public SimulatedInstance? Instance;
    public SlotLease Lease;
    public bool IsOpen;
}

/// <summary>The invocations that wait or run, in places that are used again: in steady state nothing is allocated. A ticket is a place and its life.</summary>
internal sealed class InvocationTable
{
    private Invocation[] _places = new Invocation[256];
    private readonly Stack<int> _free = new();
    private int _used;

    public int OpenCount => _used - _free.Count;

    public ref Invocation this[int place] => ref _places[place];

    public int Open(int endpoint, long serial, MonotonicTime arrivedAt, TimeSpan runTime)
    {
        if (!_free.TryPop(out var place))
        {
            place = _used++;
            if (place == _places.Length)
            {
                Array.Resize(ref _places, _places.Length * 2);
            }
        }

        ref var invocation = ref _places[place];
        invocation = new Invocation
        {
            Serial = serial,
            Endpoint = endpoint,
            Generation = invocation.Generation + 1,
            ArrivedAt = arrivedAt,
            RunTime = runTime,
            Deadline = MonotonicTime.Never,
            IsOpen = true,
        };
        return place;
    }

    public void Close(int place)
    {
        ref var invocation = ref _places[place];
        invocation.IsOpen = false;
        invocation.Instance = null;
        invocation.Lease = default;
        _free.Push(place);
    }

    /// <summary>Places that were ever taken.</summary>
    public int Used => _used;

    public long Ticket(int place) => ((long)_places[place].Generation << 32) | (uint)place;

    public static int Place(long ticket) => (int)(uint)ticket;
}
