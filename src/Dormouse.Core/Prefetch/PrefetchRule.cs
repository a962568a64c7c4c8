using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Prefetch;

/// <summary>When the files of a revision that has no instance are to be read into memory ahead of a call.</summary>
/// <param name="After">Time since the end of the last run.</param>
/// <param name="Why">The numbers, a sentence.</param>
public sealed record PrefetchPlan(TimeSpan After, string Why);

/// <summary>
/// Says when a start is so likely that its files are worth reading again, and how much may be read. Reading costs some of the disk's time and pages that the kernel takes back whenever it needs them, no
/// instance and none of its memory: so the chance may be far smaller than the one for which <see cref="KeepAliveRule"/> starts an instance.
/// </summary>
public static class PrefetchRule
{
    /// <summary>Chance that the next call comes in the time that the files are read for. Gaps without any pattern have a third of it.</summary>
    public const double LikelyMin = 0.25;

    /// <summary>Bins of the histogram that the files are read for: a fifth of the time that has passed.</summary>
    private const int BinsAhead = 2;

    /// <summary>Share of the memory that stays untouched: with less available it is short.</summary>
    private const int ReserveDivisor = 10;

    /// <summary>The first time in an idle time at which a call is likely to come soon; null = none is.</summary>
    /// <param name="gaps">Gaps so far.</param>
    /// <param name="notBefore">Until then an instance is kept, with all that it has read.</param>
    /// <remarks>Worked example: 20 gaps of ten minutes, all in the bin from 558 s to 609 s. After 512 s the call comes within the next two bins (to 609 s) with a chance of 98 %, one bin before with next to none: at 512 s.</remarks>
    public static PrefetchPlan? Plan(IdleGaps gaps, TimeSpan notBefore)
    {
        ArgumentNullException.ThrowIfNull(gaps);
        if (gaps.Count < KeepAliveRule.SamplesMin)
        {
            return null;
        }

        Span<double> chances = stackalloc double[IdleGaps.BinCount];
        Span<double> left = stackalloc double[IdleGaps.BinCount + 1];
        left[IdleGaps.BinCount] = GapChances.Fill(gaps, chances);
        for (var bin = IdleGaps.BinCount - 1; bin >= 0; bin--)
        {
            left[bin] = left[bin + 1] + chances[bin];
        }

        for (var bin = 0; bin < IdleGaps.BinCount; bin++)
        {
            var end = Math.Min(bin + BinsAhead, IdleGaps.BinCount);
            var chance = 1 - (left[end] / left[bin]);
            if (IdleGaps.Edge(bin) >= notBefore && chance >= LikelyMin)
            {
                var (from, until) = (IdleGaps.Edge(bin), IdleGaps.Edge(end));
                return new PrefetchPlan(from, $"a call that has not come after {Durations.Words(from)} comes within {Durations.Words(until)} with a chance of {(int)Math.Round(100 * chance)} %, from {gaps.Count} gaps");
            }
        }

        return null;
    }

    /// <summary>How many bytes may be read: at most half of what is available beyond a tenth of the memory, so that files of others stay. 0 = memory is short.</summary>
    /// <param name="bytesMax">What the operator allows for one start.</param>
    /// <param name="availableBytes">What the kernel could give without swapping.</param>
    /// <param name="totalBytes">All memory.</param>
    public static long Allowed(long bytesMax, long availableBytes, long totalBytes) =>
        Math.Clamp((availableBytes - (totalBytes / ReserveDivisor)) / 2, 0, Math.Max(0, bytesMax));
}
