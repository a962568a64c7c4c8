namespace Dormouse.Core.Rollouts;

/// <summary>A name that addresses one revision of an endpoint, whether the revision carries traffic or not.</summary>
/// <param name="Name"><see cref="TagRules.Refusal"/> says which are allowed; unique within the endpoint.</param>
/// <param name="Revision">Its number, at least 1. The same revision may have several tags.</param>
public readonly record struct RevisionTag(string Name, int Revision);
