namespace Dormouse.Simulation.Load;

/// <summary>Arrivals that are known one by one.</summary>
/// <param name="arrivals">In order of time.</param>
public sealed class RecordedArrivals(IReadOnlyList<Arrival> arrivals) : ArrivalStream
{
    private int _next;

    public override bool TryNext(out Arrival arrival)
    {
        if (_next == arrivals.Count)
        {
            arrival = default;
            return false;
        }

        arrival = arrivals[_next++];
        return true;
    }
}
