using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Queues;

/// <param name="Running">Those that run or wait for a slot.</param>
/// <param name="Storing">Those whose outcome is being stored: no instance is needed for them any more.</param>
internal readonly record struct HeldCount(int Running, int Storing)
{
    public int All => Running + Storing;
}

/// <summary>How many items this server has taken, of each endpoint and of all. For any thread.</summary>
internal sealed class HeldCounts
{
    private readonly Lock _countsLock = new();
    private readonly Dictionary<EndpointId, HeldCount> _counts = [];
    private HeldCount _all;

    public HeldCount All
    {
        get
        {
            lock (_countsLock)
            {
                return _all;
            }
        }
    }

    public HeldCount Of(EndpointId endpoint)
    {
        lock (_countsLock)
        {
            return _counts.GetValueOrDefault(endpoint);
        }
    }

    /// <summary>One more of the endpoint runs, unless as many do as may.</summary>
    public bool TryAdd(EndpointId endpoint, Func<HeldCount, HeldCount, bool> hasRoom)
    {
        lock (_countsLock)
        {
            if (!hasRoom(_all, _counts.GetValueOrDefault(endpoint)))
            {
                return false;
            }

            ChangeLocked(endpoint, 1, 0);
            return true;
        }
    }

    public void Change(EndpointId endpoint, int running, int storing)
    {
        lock (_countsLock)
        {
            ChangeLocked(endpoint, running, storing);
        }
    }

    private void ChangeLocked(EndpointId endpoint, int running, int storing)
    {
        var now = _counts.GetValueOrDefault(endpoint);
        now = new HeldCount(now.Running + running, now.Storing + storing);
        _all = new HeldCount(_all.Running + running, _all.Storing + storing);
        if (now.All == 0)
        {
            _counts.Remove(endpoint);
        }
        else
        {
            _counts[endpoint] = now;
        }
    }
}
