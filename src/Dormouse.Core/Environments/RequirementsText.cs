using System.Collections.Immutable;

namespace Dormouse.Core.Environments;

/// <summary>What is to be installed, written one way: the same wishes in another order, spelling or split over other files read the same.</summary>
/// <param name="Lines">A requirements file for pip without reference to other requirements files: options in the order in which they were written, then requirements in ordinal order.</param>
/// <param name="Constraints">A constraints file; empty = none.</param>
/// <param name="LocalFiles">Files of the package that installing reads (wheels, folders of wheels), in ordinal order of path; what is in them counts for the environment too.</param>
public sealed record RequirementsText(ImmutableArray<string> Lines, ImmutableArray<string> Constraints, ImmutableArray<string> LocalFiles)
{
    public static readonly RequirementsText Nothing = new([], [], []);

    /// <summary>Nothing is to be installed.</summary>
    public bool IsEmpty => Lines.IsEmpty || Lines.All(l => l.StartsWith('-'));
}

/// <summary>Requirements read, or every mistake in them.</summary>
public abstract record RequirementsOutcome
{
    private RequirementsOutcome()
    {
    }

    public sealed record Accepted(RequirementsText Text) : RequirementsOutcome;

    /// <param name="Errors">1 to <see cref="RequirementsReader.ErrorsMax"/> sentences, each with file and line.</param>
    public sealed record Refused(ImmutableArray<string> Errors) : RequirementsOutcome;
}
