using System.Globalization;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>Which tags an endpoint may have, and what a revision's name in an address means.</summary>
public static class TagRules
{
    /// <summary>Most tags of one endpoint: they are read with every route.</summary>
    public const int TagsMax = 100;

    /// <summary>Null when this may be a tag, else a sentence that says what is wrong and what is allowed.</summary>
    public static string? Refusal(string? name) => EndpointName.LabelRefusal(name) is { } refusal
        ? "A tag is named like an endpoint. " + refusal
        : LooksLikeRevision(name)
            ? $"The tag '{name}' reads like a revision; allowed are names that are not a number, also with an 'r' before it, such as 'stable'."
            : null;

    /// <summary>Null when the endpoint may have this tag besides those it has, else a sentence.</summary>
    /// <param name="endpoint">Null = there is none yet.</param>
    public static string? Full(Endpoint? endpoint, string name) =>
        endpoint is not null && endpoint.Tags.Length >= TagsMax && Find(endpoint, name) is null
            ? $"'{endpoint.Name}' has {endpoint.Tags.Length} tags; allowed are {TagsMax}. Delete one that is not needed any more."
            : null;

    /// <summary>Number of the revision that has this tag; null when none has.</summary>
    public static int? Find(Endpoint endpoint, string name)
    {
        foreach (var tag in endpoint.Tags)
        {
            if (tag.Name == name)
            {
                return tag.Revision;
            }
        }

        return null;
    }

    /// <summary>The revision that an address names: <c>3</c>, <c>r3</c> or a tag.</summary>
    /// <returns>At least 1; null when it is none of them. A number need not be one that exists.</returns>
    public static int? Revision(Endpoint endpoint, string name)
    {
        if (TrafficRules.TryParseRevision(name, out var number))
        {
            return number;
        }

        return int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out number) ? (number > 0 ? number : null) : Find(endpoint, name);
    }

    /// <summary>The endpoint with the tag at this revision, wherever it was before; in order of name.</summary>
    public static Endpoint Set(Endpoint endpoint, string name, int revision) => Find(endpoint, name) == revision
        ? endpoint
        : endpoint with { Tags = [.. endpoint.Tags.Where(t => t.Name != name).Append(new RevisionTag(name, revision)).OrderBy(t => t.Name, StringComparer.Ordinal)] };

    /// <summary>The endpoint without the tag; itself when it has none of that name.</summary>
    public static Endpoint Delete(Endpoint endpoint, string name) =>
        Find(endpoint, name) is null ? endpoint : endpoint with { Tags = endpoint.Tags.RemoveAll(t => t.Name == name) };

    private static bool LooksLikeRevision(string? name) => name is not null && name.AsSpan(name[0] == 'r' ? 1 : 0) is { Length: > 0 } rest && !rest.ContainsAnyExceptInRange('0', '9');
}
