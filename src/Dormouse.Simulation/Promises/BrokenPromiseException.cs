namespace Dormouse.Simulation.Promises;

/// <summary>Something happened in a world that must never happen. The message says what, when and what led to it.</summary>
public sealed class BrokenPromiseException(string message) : Exception(message);
