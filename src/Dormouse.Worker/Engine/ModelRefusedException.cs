namespace Dormouse.Worker.Engine;

/// <summary>The model (or a setting of it) cannot be served. The message is for the person who deployed it: plain words, no paths.</summary>
internal sealed class ModelRefusedException(string message, Exception? inner = null) : Exception(message, inner);
