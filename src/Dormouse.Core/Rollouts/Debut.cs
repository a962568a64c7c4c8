using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>What becomes of a new revision once it is ready. It is stored with the revision, since verifying may end after a restart.</summary>
/// <param name="Tag">It takes this tag; null = none.</param>
/// <param name="TakesTraffic">It takes all traffic, or its share as a canary; false = none: tags and its number reach it.</param>
public readonly record struct Debut(string? Tag, bool TakesTraffic)
{
    /// <summary>What a deploy does that says nothing.</summary>
    public static readonly Debut Usual = new(null, TakesTraffic: true);

    /// <summary>
    /// The revision's verifying ended, or was skipped: traffic and tag change together. A refused revision takes neither, and the tag stays where a newer
    /// revision took it meanwhile.
    /// </summary>
    /// <param name="serves">Whether the revision is to serve from now on.</param>
    public Endpoint Completed(Endpoint endpoint, int revision, RevisionState state, bool serves, DateTimeOffset now)
    {
        var after = HandoverFlow.WaitsFor(endpoint, revision)
            ? HandoverFlow.Completed(endpoint, revision, state, serves, now)
            : CanaryFlow.Completed(endpoint, revision, state, serves && TakesTraffic, now);
        return serves && state == RevisionState.Ready && Tag is { } tag && !(TagRules.Find(after, tag) > revision) ? TagRules.Set(after, tag, revision) : after;
    }
}
