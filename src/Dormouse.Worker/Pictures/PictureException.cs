namespace Dormouse.Worker.Pictures;

/// <summary>The picture cannot be used; the message is for the caller: what it is, what is allowed.</summary>
internal sealed class PictureException(string message) : Exception(message);
