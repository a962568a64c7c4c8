using System.Collections.Immutable;

namespace Dormouse.Simulation.Load;

/// <summary>Load to run policies on, the same for each.</summary>
/// <param name="Name">Of the trace or profile, for reports.</param>
/// <param name="Invocations">How many will come, as far as it is known beforehand.</param>
/// <param name="Notes">What had to be assumed, in sentences.</param>
public sealed record LoadPlan(string Name, TimeSpan Duration, long Invocations, ImmutableArray<EndpointLoad> Endpoints, ImmutableArray<string> Notes);

/// <param name="MemoryMib">As the trace says it; null when it does not.</param>
/// <param name="Open">Makes a fresh stream of its invocations for a seed: equal seeds give equal streams.</param>
public sealed record EndpointLoad(string Name, int? MemoryMib, Func<ulong, ArrivalStream> Open);
