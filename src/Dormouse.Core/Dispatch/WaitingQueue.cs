namespace Dormouse.Core.Dispatch;

/// <summary>An invocation that waits for a slot.</summary>
/// <param name="Sequence">Number of the event that brought it: tells what was there before it.</param>
/// <param name="QueueDeadline">When it has waited as long as the revision lets invocations wait.</param>
internal readonly record struct Waiter(
    long Ticket, MonotonicTime ArrivedAt, long Sequence, MonotonicTime QueueDeadline, long BodyBytes, bool IsRetry, CallerWishes Wishes)
{
    /// <summary>When it leaves the queue without a slot.</summary>
    public MonotonicTime Deadline => IsCallerFirst ? Wishes.Deadline : QueueDeadline;

    /// <summary>Its caller's deadline comes before the queue's.</summary>
    public bool IsCallerFirst => Wishes.Deadline < QueueDeadline;

    /// <summary>Its place among the others: 0 is served first.</summary>
    public int Class => IsRetry ? 0 : Wishes.IsDeferred ? WaitingQueue.DeferredClass : 1 + (int)Wishes.Priority;
}

/// <summary>
/// The invocations that wait, by priority and within it in order of arrival; retries stand before all others, deferred ones behind, of which the first is taken in place of
/// every tenth of the others (<see cref="CallerWishes.DeferredShare"/>). Every operation but <see cref="TakeExpired"/>,
/// <see cref="TakeOverflowing"/> and <see cref="TakeAll"/> takes constant time, and places are used again, so a steady queue allocates nothing. It does not bound itself: the engine
/// asks <see cref="Count"/> and <see cref="BodyBytes"/> first.
/// </summary>
internal sealed class WaitingQueue
{
    /// <summary>Most unused places kept.</summary>
    private const int SparePlacesMax = 1_024;

    /// <summary>Behind retries and the three priorities.</summary>
    public const int DeferredClass = 4;

    private const int ClassCount = DeferredClass + 1;

    private readonly Dictionary<long, Place> _places = [];
    private readonly Place?[] _lastOfClass = new Place?[ClassCount];
    private Place? _first;
    private Place? _last;
    private Place? _spare;
    private int _spareCount;

    /// <summary>Others that were taken since deferred ones wait, or since one of them was taken.</summary>
    private int _passed;

    public int Count => _places.Count;

    /// <summary>Of <see cref="Count"/>: those that nobody waits for.</summary>
    public int DeferredCount { get; private set; }

    public long BodyBytes { get; private set; }

    /// <summary>Not later than the earliest deadline of those that wait, exact after <see cref="TakeExpired"/>; Never when none waits.</summary>
    public MonotonicTime EarliestDeadline { get; private set; } = MonotonicTime.Never;

    /// <summary>Not later than the arrival of the earliest that can overflow, exact after <see cref="TakeOverflowing"/>; Never when there is none.</summary>
    public MonotonicTime EarliestOverflow { get; private set; } = MonotonicTime.Never;

    /// <summary>Puts an invocation behind those of its own class and before those of lower ones.</summary>
    /// <exception cref="ArgumentException">Its ticket waits already.</exception>
    public void Add(in Waiter waiter)
    {
        var place = TakeSpare();
        place.Waiter = waiter;
        _places.Add(waiter.Ticket, place);
        InsertAfter(LastUpTo(waiter.Class), place);
        _lastOfClass[waiter.Class] = place;
        BodyBytes += waiter.BodyBytes;
        DeferredCount += waiter.Class == DeferredClass ? 1 : 0;
        EarliestDeadline = waiter.Deadline < EarliestDeadline ? waiter.Deadline : EarliestDeadline;
        EarliestOverflow = waiter.Wishes.CanOverflow && waiter.ArrivedAt < EarliestOverflow ? waiter.ArrivedAt : EarliestOverflow;
    }

    /// <summary>How many would be served before one of this class that came now.</summary>
    public int CountBefore(in Waiter waiter)
    {
        if (waiter.Class == ClassCount - 1 || LastUpTo(waiter.Class) == _last)
        {
            return Count;
        }

        var count = 0;
        for (var place = _first; place is not null && place.Waiter.Class <= waiter.Class; place = place.Next)
        {
            count++;
        }

        return count;
    }

    /// <summary>Takes the one whose turn it is; false when none waits.</summary>
    public bool TryTakeFirst(out Waiter waiter)
    {
        var next = _first;
        if (next is not null && next.Waiter.Class < DeferredClass && _lastOfClass[DeferredClass] is not null && ++_passed == CallerWishes.DeferredShare)
        {
            next = LastUpTo(DeferredClass - 1)!.Next;
        }

        waiter = next?.Waiter ?? default;
        if (waiter.Class == DeferredClass)
        {
            _passed = 0;
        }

        return next is not null && Remove(next);
    }

    /// <summary>Takes an invocation out; false when it does not wait.</summary>
    public bool Remove(long ticket) => _places.TryGetValue(ticket, out var place) && Remove(place);

    /// <summary>Moves everyone whose deadline is reached to <paramref name="expired"/>, in order of the queue.</summary>
    public void TakeExpired(MonotonicTime now, List<Waiter> expired)
    {
        if (EarliestDeadline > now)
        {
            return;
        }

        var earliest = MonotonicTime.Never;
        for (var place = _first; place is not null;)
        {
            var next = place.Next;
            if (place.Waiter.Deadline <= now)
            {
                expired.Add(place.Waiter);
                Remove(place);
            }
            else if (place.Waiter.Deadline < earliest)
            {
                earliest = place.Waiter.Deadline;
            }

            place = next;
        }

        EarliestDeadline = earliest;
    }

    /// <summary>Moves everyone that can overflow and came not after <paramref name="arrivedBy"/> to <paramref name="overflowing"/>, in order of the queue.</summary>
    public void TakeOverflowing(MonotonicTime arrivedBy, List<Waiter> overflowing)
    {
        if (EarliestOverflow > arrivedBy)
        {
            return;
        }

        var earliest = MonotonicTime.Never;
        for (var place = _first; place is not null;)
        {
            var next = place.Next;
            var arrived = place.Waiter.ArrivedAt;
            if (place.Waiter.Wishes.CanOverflow && arrived <= arrivedBy)
            {
                overflowing.Add(place.Waiter);
                Remove(place);
            }
            else if (place.Waiter.Wishes.CanOverflow && arrived < earliest)
            {
                earliest = arrived;
            }

            place = next;
        }

        EarliestOverflow = earliest;
    }

    /// <summary>Moves everyone to <paramref name="all"/>, in order of the queue.</summary>
    public void TakeAll(List<Waiter> all)
    {
        while (_first is { } place)
        {
            all.Add(place.Waiter);
            Remove(place);
        }
    }

    private Place? LastUpTo(int waiterClass)
    {
        for (var c = waiterClass; c >= 0; c--)
        {
            if (_lastOfClass[c] is { } last)
            {
                return last;
            }
        }

        return null;
    }

    private void InsertAfter(Place? before, Place place)
    {
        var after = before is null ? _first : before.Next;
        place.Previous = before;
        place.Next = after;
        if (before is null)
        {
            _first = place;
        }
        else
        {
            before.Next = place;
        }

        if (after is null)
        {
            _last = place;
        }
        else
        {
            after.Previous = place;
        }
    }

    private bool Remove(Place place)
    {
        var own = place.Waiter.Class;
        if (place == _lastOfClass[own])
        {
            _lastOfClass[own] = place.Previous?.Waiter.Class == own ? place.Previous : null;
            if (own == DeferredClass && _lastOfClass[own] is null)
            {
                _passed = 0;
            }
        }

        if (place.Previous is null)
        {
            _first = place.Next;
        }
        else
        {
            place.Previous.Next = place.Next;
        }

        if (place.Next is null)
        {
            _last = place.Previous;
        }
        else
        {
            place.Next.Previous = place.Previous;
        }

        _places.Remove(place.Waiter.Ticket);
        BodyBytes -= place.Waiter.BodyBytes;
        DeferredCount -= own == DeferredClass ? 1 : 0;
        if (_places.Count == 0)
        {
            EarliestDeadline = MonotonicTime.Never;
            EarliestOverflow = MonotonicTime.Never;
        }

        KeepSpare(place);
        return true;
    }

    private Place TakeSpare()
    {
        if (_spare is not { } place)
        {
            return new Place();
        }

        _spare = place.Next;
        _spareCount--;
        return place;
    }

    private void KeepSpare(Place place)
    {
        place.Previous = null;
        place.Next = null;
        if (_spareCount < SparePlacesMax)
        {
            place.Next = _spare;
            _spare = place;
            _spareCount++;
        }
    }

    private sealed class Place
    {
        public Waiter Waiter { get; set; }

        public Place? Previous { get; set; }

        public Place? Next { get; set; }
    }
}
