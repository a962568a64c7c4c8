using System.Collections.Immutable;

namespace Dormouse.Core.Events;

/// <param name="Description">For people: what it is, its form, its default.</param>
public sealed record SourceKey(string Name, bool IsRequired, string Description);

/// <summary>A kind of sources. Nothing of what it needs (a client library, a connection) is loaded before <see cref="OpenAsync"/>.</summary>
public interface IEventSourceKind
{
    /// <summary>As <see cref="Trigger.Kind"/> names it.</summary>
    string Name { get; }

    /// <summary>What <see cref="Trigger.Source"/> may hold.</summary>
    ImmutableArray<SourceKey> Keys { get; }

    /// <summary>False: its events are pushed, and there is nothing to open.</summary>
    bool IsPulled { get; }

    /// <summary>What is wrong with a trigger of this kind whose keys are known and complete; null = nothing that can be seen here.</summary>
    string? Fault(Trigger trigger);

    /// <summary>Mark of a trigger that begins now, or anew after a pause; null = it has none, or goes on where it was.</summary>
    string? FirstMark(DateTimeOffset now) => null;

    /// <summary>Connects; throws when that is not possible now.</summary>
    Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken);
}
