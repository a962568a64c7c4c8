namespace Dormouse.Protocol.Inference;

/// <summary>An output that the caller asked for by name.</summary>
/// <param name="Binary">Parameter <c>binary_data</c>; null = what the request says for all outputs.</param>
/// <param name="Classification">Parameter <c>classification</c>: the k best as BYTES <c>value:index[:label]</c>; null = the tensor itself.</param>
public sealed record RequestedOutput(string Name, bool? Binary = null, int? Classification = null);
