namespace Dormouse.Core.Dispatch;

/// <summary>Instances that a handover keeps of a revision without traffic.</summary>
/// <param name="Instances">0 = none.</param>
/// <param name="IsNext">The traffic is to come: they are warmed for it. False = it has gone, and may come back.</param>
public readonly record struct Standby(int Instances, bool IsNext);
