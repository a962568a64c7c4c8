using System.Globalization;

namespace Dormouse.Core.Batches;

/// <summary>How many items of a job may fail before it stops: a number, or a share of those that have ended.</summary>
public readonly record struct FailureBudget
{
    /// <summary>A share is judged from so many ended items on: the first failure is not 100 %.</summary>
    public const int SampleMin = 100;

    private FailureBudget(long max, bool isShare) => (Max, IsShare) = (max, isShare);

    /// <summary>10 %.</summary>
    public static FailureBudget Default { get; } = new(10, isShare: true);

    /// <summary>Items, 0 or more; of a share per cent, 0 to 100.</summary>
    public long Max { get; }

    public bool IsShare { get; }

    /// <summary>Reads <c>25</c> or <c>5%</c>.</summary>
    public static bool TryParse(string? text, out FailureBudget budget)
    {
        budget = default;
        var isShare = text?.EndsWith('%') ?? false;
        if (!long.TryParse(isShare ? text![..^1] : text, NumberStyles.None, CultureInfo.InvariantCulture, out var max) || (isShare && max > 100))
        {
            return false;
        }

        budget = new FailureBudget(max, isShare);
        return true;
    }

    /// <param name="ended">Items that have ended.</param>
    /// <param name="failed">Those of them that failed.</param>
    public bool IsExceeded(long ended, long failed) => IsShare ? ended >= SampleMin && (Int128)failed * 100 > (Int128)ended * Max : failed > Max;

    /// <summary>As <see cref="TryParse"/> reads it.</summary>
    public override string ToString() => Max.ToString(CultureInfo.InvariantCulture) + (IsShare ? "%" : "");
}
