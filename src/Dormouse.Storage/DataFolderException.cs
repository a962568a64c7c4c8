namespace Dormouse.Storage;

/// <summary>The data folder cannot be used by this server; the message says why and what to do. Nothing in it was changed.</summary>
public sealed class DataFolderException : Exception
{
    public DataFolderException()
        : this("The data folder cannot be used.")
    {
    }

    public DataFolderException(string message)
        : base(message)
    {
    }

    public DataFolderException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
