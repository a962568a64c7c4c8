using System.Collections.Immutable;

namespace Dormouse.Core.Queues;

/// <summary>An answer as it is kept for the caller.</summary>
/// <param name="Headers">Without those of one connection.</param>
public sealed record StoredAnswer(int Status, ImmutableArray<KeyValuePair<string, string>> Headers, ReadOnlyMemory<byte> Body);

/// <summary>What follows from an attempt.</summary>
public abstract record QueueVerdict
{
    private QueueVerdict()
    {
    }

    /// <param name="State">Succeeded, Failed or Dead.</param>
    /// <param name="Reason">Null when it succeeded.</param>
    public sealed record Finished(QueueState State, StoredAnswer? Answer, string? Reason) : QueueVerdict;

    /// <param name="Counts">It uses up an attempt.</param>
    public sealed record Again(DateTimeOffset NotBefore, bool Counts, string Reason) : QueueVerdict;
}
