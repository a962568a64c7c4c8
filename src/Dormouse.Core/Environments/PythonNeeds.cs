using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Environments;

/// <summary>What a function asks of the interpreter that runs it, as it is written in settings.</summary>
/// <param name="Python">Minor version such as "3.11"; null = the server's own.</param>
/// <param name="Pip">Requirements, one each.</param>
/// <param name="Requirements">Path of a requirements file; null = <see cref="DefaultFile"/> when the package has one; <see cref="None"/> = not that one either.</param>
/// <param name="SystemPackages">The interpreter's own packages are seen; null = when nothing is to be installed.</param>
public sealed record PythonNeeds(string? Python, ImmutableArray<string> Pip, string? Requirements, bool? SystemPackages)
{
    public const string DefaultFile = "requirements.txt";
    public const string None = "none";
    public const int PipMax = 500;
    public const int PipLengthMax = 1_000;

    public static readonly PythonNeeds Nothing = new(null, [], null, null);

    public static PythonNeeds Of(RevisionSpec spec) => new(spec.Python, spec.Pip, spec.Requirements, spec.SystemPackages);

    /// <summary>The requirements file that counts; null = none.</summary>
    public string? File(IEnumerable<string> packageFiles) => Requirements switch
    {
        None => null,
        null => packageFiles.Contains(DefaultFile) ? DefaultFile : null,
        var named => named,
    };

    /// <summary>These, and where they say nothing the others.</summary>
    public PythonNeeds Over(PythonNeeds other) => new(
        Python ?? other.Python, Pip.IsEmpty ? other.Pip : Pip, Requirements ?? other.Requirements, SystemPackages ?? other.SystemPackages);

    public bool Equals(PythonNeeds? other) =>
        other is not null && Python == other.Python && Requirements == other.Requirements && SystemPackages == other.SystemPackages && Pip.SequenceEqual(other.Pip);

    public override int GetHashCode() => HashCode.Combine(Python, Requirements, SystemPackages, Pip.Length);
}
