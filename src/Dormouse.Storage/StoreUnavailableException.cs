namespace Dormouse.Storage;

/// <summary>
/// The database does not answer: it is away, it is starting, or the connection broke. A write that ended so may have been done or not; what is read has changed nothing. It may succeed later.
/// </summary>
public sealed class StoreUnavailableException : IOException
{
    public StoreUnavailableException()
        : this("The database does not answer. Try again later.")
    {
    }

    public StoreUnavailableException(string message)
        : base(message)
    {
    }

    public StoreUnavailableException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
