namespace Dormouse.Core.Scaling;

/// <summary>What an idle instance is worth to the machine, to choose which one goes when room is needed.</summary>
public static class IdleWorth
{
    /// <summary>The next call counts when it comes within this time.</summary>
    public static readonly TimeSpan Horizon = TimeSpan.FromMinutes(1);

    /// <summary>A gap that is thought to have been seen, half of it within the horizon: one sample does not make certain.</summary>
    private const double PriorGaps = 2;

    /// <summary>
    /// Chance of a call within a minute × cost of loading again ÷ memory, in seconds per GiB: what is lost for each GiB that is freed. Worked example: 9 of 10 gaps within a minute, a
    /// start of 2 s, 512 MiB: (9 + 1) ÷ (10 + 2) × 2 ÷ 0.5 = 3.3.
    /// </summary>
    /// <param name="gaps">Gaps between the revision's invocations so far.</param>
    /// <param name="startTime">How long a start takes; null = not known, 1 s is assumed.</param>
    /// <param name="memoryMib">At least 1.</param>
    public static double Of(IdleGaps gaps, TimeSpan? startTime, int memoryMib)
    {
        var chance = (gaps.CountOf(..IdleGaps.Bin(Horizon)) + (PriorGaps / 2)) / (gaps.Count + PriorGaps);
        return chance * (startTime ?? TimeSpan.FromSeconds(1)).TotalSeconds * 1024 / Math.Max(1, memoryMib);
    }
}
