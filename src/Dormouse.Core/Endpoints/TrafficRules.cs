using System.Collections.Immutable;
using System.Globalization;

namespace Dormouse.Core.Endpoints;

/// <summary>Traffic judged: shares in order of revision, or every error at once.</summary>
public abstract record TrafficOutcome
{
    private TrafficOutcome()
    {
    }

    /// <param name="Shares">Weights 1 to 100 that sum to 100, in ascending order of revision.</param>
    public sealed record Accepted(ImmutableArray<TrafficShare> Shares) : TrafficOutcome;

    /// <param name="Errors">At least one sentence.</param>
    public sealed record Refused(ImmutableArray<string> Errors) : TrafficOutcome;
}

/// <summary>Which weights an endpoint's traffic may have.</summary>
public static class TrafficRules
{
    /// <summary>Reads a revision's name: "r3" is 3; a number without 'r', a sign, a leading zero or 0 is refused.</summary>
    /// <param name="name">The name, or null.</param>
    /// <param name="number">At least 1; 0 when refused.</param>
    public static bool TryParseRevision(string? name, out int number)
    {
        number = 0;
        return name is ['r', not '0', ..]
            && int.TryParse(name.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    /// <summary>Reads one share as typed: "r3=90". A weight of 0 takes the revision out of the traffic.</summary>
    /// <param name="text">The text, or null.</param>
    /// <param name="share">Weight 0 to 100; default when refused.</param>
    /// <returns>Null, or a sentence that says what is wrong and what is allowed.</returns>
    public static string? Parse(string? text, out TrafficShare share)
    {
        share = default;
        var equals = text?.IndexOf('=', StringComparison.Ordinal) ?? -1;
        if (text is null || equals < 0 || !TryParseRevision(text[..equals], out var revision))
        {
            return $"'{text}' is no share of traffic; write a revision and its per cent, such as r3=90.";
        }

        if (!int.TryParse(text.AsSpan(equals + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var weight) || weight > 100)
        {
            return $"The weight in '{text}' is not allowed; allowed are whole numbers from 0 to 100.";
        }

        share = new TrafficShare(revision, weight);
        return null;
    }

    /// <summary>Checks that each revision is named once, exists, and is ready if it is to carry traffic, and that the weights (0 to 100 each) sum to 100. Shares of 0 are dropped.</summary>
    /// <param name="wished">The shares as the user gave them, in any order.</param>
    /// <param name="revisions">All revisions of the endpoint.</param>
    public static TrafficOutcome Check(IReadOnlyList<TrafficShare> wished, IReadOnlyList<Revision> revisions)
    {
        var errors = ImmutableArray.CreateBuilder<string>();
        var seen = new HashSet<int>();
        var sum = 0L;
        foreach (var (number, weight) in wished)
        {
            sum += weight;
            if (!seen.Add(number))
            {
                errors.Add($"Revision r{number} is named twice.");
            }

            if (weight is < 0 or > 100)
            {
                errors.Add($"The weight of r{number} is {weight}; allowed are 0 to 100.");
            }

            if (Problem(number, weight, revisions) is { } problem)
            {
                errors.Add(problem);
            }
        }

        if (sum != 100)
        {
            errors.Add($"The weights sum to {sum}; they must sum to 100.");
        }

        return errors.Count > 0
            ? new TrafficOutcome.Refused(errors.ToImmutable())
            : new TrafficOutcome.Accepted([.. wished.Where(s => s.Weight > 0).OrderBy(s => s.Revision)]);
    }

    private static string? Problem(int number, int weight, IReadOnlyList<Revision> revisions)
    {
        var revision = revisions.FirstOrDefault(r => r.Id.Number == number);
        return revision?.State switch
        {
            not null when weight == 0 => null,
            RevisionState.Ready => null,
            RevisionState.Verifying => $"Revision r{number} is still being verified; wait until it is ready.",
            RevisionState.Failed => $"Revision r{number} failed verifying ({revision.Failure}); it cannot carry traffic.",
            null when revisions.Count == 0 => $"There is no revision r{number}; the endpoint has none.",
            _ => $"There is no revision r{number}; there are {Names(revisions)}.",
        };
    }

    private static string Names(IReadOnlyList<Revision> revisions)
    {
        const int ShownMax = 10;
        var newest = revisions.OrderByDescending(r => r.Id.Number).Select(r => $"r{r.Id.Number}");
        return string.Join(", ", newest.Take(ShownMax)) + (revisions.Count > ShownMax ? $" and {revisions.Count - ShownMax} more" : "");
    }
}
