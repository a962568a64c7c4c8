using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Dormouse.Simulation.Knative;

/// <summary>The file as it is written; its columns are described where they are read, in <see cref="KnativeRows"/>.</summary>
internal sealed record KnativeFile(
    string? Format, string? Name, KnativeSettings? Settings, ImmutableArray<ImmutableArray<double?>>? Samples, ImmutableArray<ImmutableArray<double?>>? Ticks);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(KnativeFile))]
internal sealed partial class KnativeJson : JsonSerializerContext;
