using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Instances;

/// <summary>One running copy of a revision. Numbers are unique within one run of the server.</summary>
public readonly record struct InstanceId(RevisionId Revision, long Number)
{
    /// <summary>Short text for people and headers, e.g. <c>r3-17</c>; unique within an endpoint.</summary>
    public override string ToString() => $"r{Revision.Number}-{Number}";
}
