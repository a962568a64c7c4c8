namespace Dormouse.Storage;

/// <summary>The disk (or a quota on it) has no room, so nothing of the operation was done. It may succeed when room has been made.</summary>
public sealed class StorageFullException : IOException
{
    public StorageFullException()
        : this("The disk of the data folder is full. Free space and try again.")
    {
    }

    public StorageFullException(string message)
        : base(message)
    {
    }

    public StorageFullException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
