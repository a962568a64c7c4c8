using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>Copies of an endpoint's invocations go to one revision; its answers are compared with those that the callers got, and dropped.</summary>
/// <param name="Revision">Number of the revision that gets the copies.</param>
/// <param name="Percent">Share of the invocations that are copied, 1 to 100.</param>
/// <param name="Tolerance">Numbers a and b are equal when |a − b| is at most this × max(1, |a|, |b|); 0 to 1.</param>
public sealed record Mirror(int Revision, int Percent, double Tolerance);

/// <summary>Which mirrors an endpoint may have.</summary>
public static class MirrorRules
{
    /// <summary>What other orders of adding single-precision numbers differ by.</summary>
    public const double ToleranceByDefault = 1e-4;

    /// <summary>Every error at once, each with setting, value and what is allowed; none when all is well.</summary>
    /// <param name="revision">The revision as stored; null = there is none of this number.</param>
    public static ImmutableArray<string> Errors(Mirror mirror, Revision? revision)
    {
        var errors = ImmutableArray.CreateBuilder<string>();
        if (mirror.Percent is < 1 or > 100)
        {
            errors.Add($"percent is {mirror.Percent}; allowed are 1 to 100.");
        }

        if (!(mirror.Tolerance is >= 0 and <= 1))
        {
            errors.Add($"tolerance is {mirror.Tolerance.ToString(CultureInfo.InvariantCulture)}; allowed are 0 to 1.");
        }

        if (revision is null)
        {
            errors.Add($"There is no revision r{mirror.Revision}.");
        }
        else if (!revision.Spec.Kind.HasInstances)
        {
            errors.Add($"r{mirror.Revision} is a pipeline; only calls that instances run can be mirrored. Mirror the endpoints of its steps.");
        }
        else if (revision.State != RevisionState.Ready)
        {
            errors.Add($"Revision r{mirror.Revision} is not ready; only a ready one can be mirrored to.");
        }

        return errors.ToImmutable();
    }
}
