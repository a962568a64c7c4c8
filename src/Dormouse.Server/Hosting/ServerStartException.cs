namespace Dormouse.Server.Hosting;

/// <summary>Why a server could not start.</summary>
public enum ServerStartFailure
{
    /// <summary>A setting is unknown or out of its range.</summary>
    Settings,

    /// <summary>An address is in use or may not be listened on.</summary>
    Address,

    /// <summary>A program that the server starts is not there.</summary>
    Programs,

    /// <summary>The data folder is in use by another server, of a newer version, damaged or not writable.</summary>
    DataFolder,
}

/// <summary>The server could not start; the message is meant for the person who started it and says what to do.</summary>
public sealed class ServerStartException(ServerStartFailure failure, string message, Exception? innerException = null) : Exception(message, innerException)
{
    public ServerStartFailure Failure { get; } = failure;
}
