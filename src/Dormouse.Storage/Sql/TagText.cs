using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Rollouts;

namespace Dormouse.Storage.Sql;

/// <summary>Tags as text: <c>beta=4 stable=3</c>; empty for none.</summary>
internal static class TagText
{
    public static string Write(ImmutableArray<RevisionTag> tags) =>
        string.Join(' ', tags.Select(t => string.Create(CultureInfo.InvariantCulture, $"{t.Name}={t.Revision}")));

    public static ImmutableArray<RevisionTag> Read(string text) => text.Length == 0 ? [] : [.. text.Split(' ').Select(One)];

    private static RevisionTag One(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return new RevisionTag(text[..equals], int.Parse(text.AsSpan(equals + 1), CultureInfo.InvariantCulture));
    }
}
