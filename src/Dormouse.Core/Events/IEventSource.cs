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

    /// <summary>Name of the list in which functions written for AWS expect it, such as <c>Records</c>: the input is an object with that list. Null = the input is the data itself.</summary>
    public string? Envelope { get; init; }

    /// <summary>Why it can never be queued, as far as its source knows; null = it can.</summary>
    public string? Fault { get; init; }

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

    /// <summary>What of its progress is to be stored with the trigger (<see cref="Trigger.Mark"/>), beside what its events carry; null = nothing. Looked at when events were acknowledged, or none came.</summary>
    string? Mark => null;

    /// <summary>Events that wait in the source; null = it does not say.</summary>
    Task<long?> LagAsync(CancellationToken cancellationToken);
}
