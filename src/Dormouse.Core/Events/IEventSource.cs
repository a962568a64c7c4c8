using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Events;

/// <summary>One event of a source, in the words of CloudEvents.</summary>
/// <param name="Id">The same when the source gives it again.</param>
/// <param name="Data">As it came; empty = it has none.</param>
/// <param name="ContentType">Of the data; null = unknown.</param>
public sealed record SourceEvent(string Id, string Source, string Type, DateTimeOffset? Time, ReadOnlyMemory<byte> Data, string? ContentType)
{
    public string? Subject { get; init; }

    /// <summary>Further attributes by name.</summary>
    public ImmutableSortedDictionary<string, string> Attributes { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Events of one group run one after the other; null = in no such order.</summary>
    public string? Group { get; init; }

    /// <summary>The trigger's mark once this event is queued; null = the source itself remembers.</summary>
    public string? Mark { get; init; }

    /// <summary>What the source needs to acknowledge it.</summary>
    public object? Handle { get; init; }
}

/// <summary>
/// Where a trigger's events are pulled from: receive, queue durably, acknowledge. What was received and not acknowledged is received again, at the latest when the source is opened
/// anew. One caller at a time.
/// </summary>
public interface IEventSource : IAsyncDisposable
{
    /// <summary>Waits until there are events, or until <paramref name="wait"/> has passed; then none.</summary>
    Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken);

    /// <summary>These are queued, or were passed over by the filter: they are not received again.</summary>
    Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken);

    /// <summary>This cannot be queued, now or later. It is put aside where the source has a place for such.</summary>
    Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken);

    /// <summary>Invocation that an acknowledged event became; most sources need not know.</summary>
    void Queued(SourceEvent queued, InvocationId invocation)
    {
    }

    /// <summary>Events that wait in the source; null = it does not say.</summary>
    Task<long?> LagAsync(CancellationToken cancellationToken);
}
