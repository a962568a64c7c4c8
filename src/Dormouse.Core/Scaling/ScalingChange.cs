namespace Dormouse.Core.Scaling;

/// <summary>One change of the number of instances and why; kept in a ring per endpoint.</summary>
/// <param name="At">When, on the monotonic clock; the adapter adds wall time for people.</param>
/// <param name="Reason">A short sentence with the numbers, e.g. "idle for 60 s (keep-alive 60 s)".</param>
public readonly record struct ScalingChange(MonotonicTime At, int Revision, int From, int To, string Reason);
