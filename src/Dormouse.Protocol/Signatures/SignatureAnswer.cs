using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Dormouse.Protocol.Signatures;

/// <summary>Answer of <c>POST /invoke/{endpoint}</c> on a model with a labels output.</summary>
/// <param name="Labels">Best first.</param>
public sealed record LabelsAnswer(ImmutableArray<LabelScore> Labels);

/// <param name="Label">The label, or the class number when there are no labels.</param>
/// <param name="Index">Class number.</param>
/// <param name="Score">Probability or raw score, as the signature says.</param>
public sealed record LabelScore(string Label, int Index, double Score);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(LabelsAnswer))]
public sealed partial class SignatureAnswerJson : JsonSerializerContext;
