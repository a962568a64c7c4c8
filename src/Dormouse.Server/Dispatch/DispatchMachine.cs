namespace Dormouse.Server.Dispatch;

/// <summary>What all revisions share: the clock, the memory and the timer.</summary>
internal sealed record DispatchMachine(MonotonicClock Clock, MachineBudget Budget, TimerWheel Wheel);
