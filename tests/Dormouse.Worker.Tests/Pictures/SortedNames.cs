using System.Collections.Immutable;

namespace Dormouse.Worker.Tests.Pictures;

internal static class SortedNames
{
    public static ImmutableSortedDictionary<string, string> ToSorted(this Dictionary<string, string> names) =>
        names.ToImmutableSortedDictionary(StringComparer.Ordinal);
}
