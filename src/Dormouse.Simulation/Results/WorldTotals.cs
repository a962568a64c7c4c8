using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;

namespace Dormouse.Simulation.Results;

/// <summary>What a run of a world came to.</summary>
public sealed class WorldTotals(TimeSpan duration)
{
    private static readonly int Kinds = Enum.GetValues<RefusalKind>().Length;

    private readonly long[] _refusals = new long[Kinds];
    private readonly MonotonicTime _end = new(duration.Ticks);

    public Timeline Timeline { get; } = new(duration);

    /// <summary>From arrival to answer, of those that were answered.</summary>
    public LatencyHistogram Latency { get; } = new();

    /// <summary>From arrival to the slot, of those that were answered.</summary>
    public LatencyHistogram Waiting { get; } = new();

    public long Invocations { get; private set; }

    public long Answered => Latency.Count;

    public long Crashed { get; set; }

    public long TimedOut { get; set; }

    public long CallersLeft { get; set; }

    /// <summary>Those that waited or ran on a machine that was lost.</summary>
    public long LostWithMachine { get; set; }

    /// <summary>Those that came while their machine was down.</summary>
    public long Unreachable { get; set; }

    public long MachineLosses { get; set; }

    /// <summary>Those that got no answer though nobody refused them.</summary>
    public long Failed => TimedOut + Crashed + LostWithMachine + Unreachable;

    /// <summary>Those that overflow addresses took.</summary>
    public long Overflowed { get; private set; }

    public long Refused => _refusals.Sum();

    /// <summary>Slots given, also for another try.</summary>
    public long Grants { get; private set; }

    /// <summary>Of <see cref="Grants"/>: those that waited for a start; a thaw is none.</summary>
    public long ColdGrants { get; private set; }

    /// <summary>Of <see cref="Grants"/>: those that waited for a frozen instance to be thawed.</summary>
    public long ThawedGrants { get; private set; }

    /// <summary>Instances that were frozen.</summary>
    public long Freezes { get; set; }

    /// <summary>Of <see cref="Grants"/>: those that waited for a slot of an instance that was there.</summary>
    public long QueuedGrants { get; private set; }

    public long Retries { get; set; }

    /// <summary>Starts that the machine admitted.</summary>
    public long Starts { get; set; }

    public long FailedStarts { get; set; }

    public long Evictions { get; private set; }

    public long IdleStops { get; private set; }

    /// <summary>Σ from admission to gone, up to the end of the load.</summary>
    public TimeSpan InstanceTime { get; private set; }

    /// <summary>Σ memory class × that time, MiB × ticks of 100 ns.</summary>
    public Int128 MibTicks { get; private set; }

    /// <summary>Σ metered time of all runs, µs.</summary>
    public long MeteredMicroseconds { get; private set; }

    /// <summary>What the callers pay, 10⁻¹² of the price book's currency.</summary>
    public Int128 PricePico { get; private set; }

    /// <summary>Σ time of provisioned instances, µs, whether anything ran on them or not.</summary>
    public long ProvisionedMicroseconds { get; private set; }

    /// <summary>Events handled.</summary>
    public long Events { get; set; }

    /// <summary>Most engines that were there at once.</summary>
    public int EnginesMax { get; set; }

    public double GibSeconds => (double)MibTicks / (1024.0 * TimeSpan.TicksPerSecond);

    /// <summary>Share of the slots given for which somebody waited for a start, 0 to 1.</summary>
    public double ColdShare => Grants == 0 ? 0 : (double)ColdGrants / Grants;

    /// <summary>Share of <see cref="InstanceTime"/> in which something ran, 0 to 1; runs after the end of the load count too.</summary>
    public double BusyShare => InstanceTime == TimeSpan.Zero ? 0 : Math.Min(1, MeteredMicroseconds / InstanceTime.TotalMicroseconds);

    public long Refusals(RefusalKind kind) => _refusals[(int)kind];

    public void Arrived(MonotonicTime at)
    {
        Invocations++;
        Timeline.Arrived(at);
    }

    public void Granted(StartKind kind, Rung rung, MonotonicTime at)
    {
        Grants++;
        switch (kind)
        {
            case StartKind.Cold when rung == Rung.Thaw:
                ThawedGrants++;
                break;
            case StartKind.Cold:
                ColdGrants++;
                Timeline.StartedCold(at);
                break;
            case StartKind.Queued:
                QueuedGrants++;
                break;
            case StartKind.Warm:
                break;
        }
    }

    public void RefusedFor(RefusalKind kind) => _refusals[(int)kind]++;

    public void Stopped(StopReason reason)
    {
        Evictions += reason == StopReason.Evicted ? 1 : 0;
        IdleStops += reason == StopReason.Idle ? 1 : 0;
    }

    public void Metered(long microseconds) => MeteredMicroseconds += microseconds;

    /// <summary>An invocation ended after a run: it pays for its last one, as its receipt says.</summary>
    /// <param name="isProvisioned">It ran on a provisioned instance.</param>
    public void Billed(PriceBook book, long meteredMicroseconds, int memoryMib, bool isProvisioned) =>
        PricePico += Pricing.PricePico(book, Pricing.BilledMilliseconds(meteredMicroseconds), memoryMib, isProvisioned ? ReceiptLine.Provisioned : ReceiptLine.OnDemand);

    /// <summary>An overflow address took one.</summary>
    public void WentElsewhere(PriceBook book)
    {
        Overflowed++;
        PricePico += Pricing.PricePico(book, 0, 0, ReceiptLine.Overflow);
    }

    /// <summary>A stretch of provisioned time was accounted.</summary>
    public void Provisioned(PriceBook book, long microseconds, int memoryMib)
    {
        ProvisionedMicroseconds += microseconds;
        PricePico += Pricing.PricePico(book, Pricing.BilledMilliseconds(microseconds), memoryMib, ReceiptLine.ProvisionedTime);
    }

    /// <summary>An instance held memory.</summary>
    public void Held(MonotonicTime from, MonotonicTime to, int memoryMib)
    {
        var end = to < _end ? to : _end;
        if (from < end)
        {
            InstanceTime += end - from;
            MibTicks += (Int128)(end - from).Ticks * memoryMib;
            Timeline.Held(from, end, memoryMib);
        }
    }
}
