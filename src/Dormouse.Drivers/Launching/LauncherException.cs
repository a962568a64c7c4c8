namespace Dormouse.Drivers.Launching;

/// <summary>The launcher could not be started or did not answer.</summary>
public sealed class LauncherException : Exception
{
    public LauncherException()
    {
    }

    public LauncherException(string message)
        : base(message)
    {
    }

    public LauncherException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
