using Dormouse.Core.Usage;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// Which instances of a revision count as provisioned, and for how long: at each moment the ready ones that were asked for first, as many as the revision has
/// provisioned. So their number and time follow from what is ready, whichever instances come and go, and an instance above that number is on-demand.
/// </summary>
internal sealed class ProvisionedInstances(int wanted)
{
    private ProvisionedMeter _meter;
    private int _count;
    private bool _isInForce;

    /// <summary>Fewer are ready than are paid for: more are coming, or are to be started.</summary>
    public bool AreComing => _isInForce && _count < wanted;

    /// <summary>Time passes; the instances are those of the last <see cref="Mark"/>.</summary>
    public void Advance(MonotonicTime now) => _meter.Advance(now, _count);

    /// <summary>Instance time since the last call, µs.</summary>
    public long TakeMicroseconds() => _meter.TakeMicroseconds();

    /// <summary>Counts them anew.</summary>
    /// <param name="isInForce">The revision carries traffic and is not stopped.</param>
    public void Mark(InstanceTable table, bool isInForce)
    {
        if (wanted == 0)
        {
            return;
        }

        (_count, _isInForce) = (0, isInForce);
        for (var i = 0; i < table.Count; i++)
        {
            var slot = table[i];
            slot.IsProvisioned = isInForce && _count < wanted && slot.State == InstanceState.Ready;
            _count += slot.IsProvisioned ? 1 : 0;
        }
    }
}
