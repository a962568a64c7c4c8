using System.Collections.Immutable;

namespace Dormouse.Core.Queues;

/// <summary>What is to be changed of the request of an invocation that has ended without success, before it is run anew.</summary>
public sealed record RequestEdit
{
    /// <summary>The new body, with the headers that describe its bytes in <see cref="SetHeaders"/>; null = it stays.</summary>
    public ReadOnlyMemory<byte>? Body { get; init; }

    /// <summary>Replace those of the same name, whatever their case, or are added.</summary>
    public ImmutableArray<KeyValuePair<string, string>> SetHeaders { get; init; } = [];

    /// <summary>Names, in any case.</summary>
    public ImmutableArray<string> RemovedHeaders { get; init; } = [];

    /// <summary>What stands behind the path, without its question mark; "" = nothing; null = it stays.</summary>
    public string? Query { get; init; }

    /// <summary>What it changes: <c>body</c>, <c>headers</c>, <c>query</c>.</summary>
    public ImmutableArray<string> Changes =>
    [
        .. Body is null ? [] : (string[])["body"], .. SetHeaders.IsEmpty && RemovedHeaders.IsEmpty ? [] : (string[])["headers"], .. Query is null ? [] : (string[])["query"],
    ];
}

/// <summary>Somebody changed the request of an invocation that had ended.</summary>
/// <param name="Number">1, 2, 3 of the invocation.</param>
/// <param name="By">Public id of the key.</param>
/// <param name="Changes">As <see cref="RequestEdit.Changes"/>.</param>
/// <param name="BodyBytesBefore">Length of the body before it.</param>
public sealed record QueueEdit(int Number, string By, DateTimeOffset At, ImmutableArray<string> Changes, long BodyBytesBefore);

/// <summary>What became of a wish to change a request.</summary>
public abstract record EditOutcome
{
    private EditOutcome()
    {
    }

    public sealed record Edited(QueueItem Item) : EditOutcome;

    /// <param name="Why">A sentence; nothing was changed.</param>
    public sealed record Refused(string Why) : EditOutcome;
}

/// <summary>A request with its body, as it is or as it was.</summary>
/// <param name="Body">Null when it is not kept any more: that of an item that has succeeded goes.</param>
public sealed record WholeRequest(QueuedRequest Request, long BodyBytes, ReadOnlyMemory<byte>? Body);
