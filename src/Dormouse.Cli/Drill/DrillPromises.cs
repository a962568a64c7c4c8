using System.Collections.Immutable;

namespace Dormouse.Cli.Drill;

/// <summary>What an act found broken beside the answers themselves, and which acts could not be played.</summary>
internal sealed class DrillPromises
{
    private readonly List<string> _broken = [];
    private readonly SortedDictionary<string, string> _skipped = new(StringComparer.Ordinal);

    public ImmutableArray<string> Broken => [.. _broken];

    public ImmutableArray<string> Skipped => [.. _skipped.Select(s => $"{s.Key}: skipped, {s.Value}")];

    public void Check(bool isKept, string act, FormattableString otherwise)
    {
        if (!isKept)
        {
            _broken.Add($"{act}: {FormattableString.Invariant(otherwise)}");
        }
    }

    public void Skip(string act, string why) => _skipped[act] = why;
}
