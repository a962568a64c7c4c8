using Dormouse.Core.Batches;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>The next of an input.</summary>
/// <param name="Name">Where it is: "line 7", a file's name.</param>
/// <param name="Mark">Reading goes on here behind it.</param>
/// <param name="ReadBytes">Of the input up to there.</param>
internal abstract record InputPiece(string Name, string Mark, long ReadBytes)
{
    /// <summary>A request to be sent.</summary>
    public sealed record Request(string Name, ReadOnlyMemory<byte> Body, string ContentType, string Mark, long ReadBytes) : InputPiece(Name, Mark, ReadBytes);

    /// <summary>An item that cannot be sent, and why.</summary>
    public sealed record Broken(string Name, ItemFault Fault, string Mark, long ReadBytes) : InputPiece(Name, Mark, ReadBytes);

    /// <summary>No item: a blank line, a hidden file.</summary>
    public sealed record Nothing(string Name, string Mark, long ReadBytes) : InputPiece(Name, Mark, ReadBytes);
}

/// <summary>Reads an input item by item from a mark on, and holds no more of it than one item. Another source of inputs is another of these.</summary>
internal interface IItemReader : IAsyncDisposable
{
    /// <summary>Null at the end.</summary>
    /// <exception cref="InputUnreadableException">It cannot be read on, and why.</exception>
    ValueTask<InputPiece?> NextAsync(CancellationToken cancellationToken);
}

/// <summary>An input that cannot be read, or is not what it is said to be. Its message is for whoever made the job.</summary>
internal sealed class InputUnreadableException(string message, Exception? inner = null) : Exception(message, inner);
