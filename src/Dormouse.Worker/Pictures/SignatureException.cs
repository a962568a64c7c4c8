namespace Dormouse.Worker.Pictures;

/// <summary>A signature does not fit its model; the message is for the person who deploys it.</summary>
internal sealed class SignatureException(string message) : Exception(message);
