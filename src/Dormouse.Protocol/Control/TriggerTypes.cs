using System.Collections.Immutable;

namespace Dormouse.Protocol.Control;

/// <summary><c>PUT /api/v1/triggers/{name}</c>: what it shall be; what is left out is the default.</summary>
public sealed record TriggerRequest
{
    /// <summary>"cron", "http", "folder", "redis", "nats", "rabbitmq".</summary>
    public required string Kind { get; init; }

    /// <summary>Name of the endpoint that runs.</summary>
    public required string Endpoint { get; init; }

    /// <summary>What its kind needs to know.</summary>
    public ImmutableSortedDictionary<string, string>? Source { get; init; }

    /// <summary>JSON text of a pattern; null = every event.</summary>
    public string? Filter { get; init; }

    /// <summary>JSON text of a template; null = the event's data.</summary>
    public string? Input { get; init; }

    /// <summary>1 to 1,000; null = 1.</summary>
    public int? BatchSize { get; init; }

    /// <summary>0s to 5m; null = 0s.</summary>
    public string? BatchWindow { get; init; }

    /// <summary>Null = as it is; a new one is not paused.</summary>
    public bool? Paused { get; init; }
}

/// <summary>What feeds an endpoint's queue.</summary>
public sealed record TriggerInfo
{
    public required string Name { get; init; }

    public required string Kind { get; init; }

    public required string Endpoint { get; init; }

    public required ImmutableSortedDictionary<string, string> Source { get; init; }

    public string? Filter { get; init; }

    public string? Input { get; init; }

    public required int BatchSize { get; init; }

    public required string BatchWindow { get; init; }

    /// <summary>"active", "paused", "failing" (it cannot go on, and tries again by itself).</summary>
    public required string State { get; init; }

    /// <summary>Invocations that it queued.</summary>
    public long Fired { get; init; }

    public string? LastInvocationId { get; init; }

    public DateTimeOffset? LastFiredAt { get; init; }

    public string? LastError { get; init; }

    public DateTimeOffset? LastErrorAt { get; init; }

    /// <summary>Events that wait in its source, a little while ago; null where the source does not say, or another server pulls.</summary>
    public long? Lag { get; init; }

    /// <summary>Of a schedule: when it fires next.</summary>
    public DateTimeOffset? NextAt { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

public sealed record TriggerList(ImmutableArray<TriggerInfo> Triggers);

/// <summary>What became of events that were sent, or fired by hand.</summary>
/// <param name="Invocations">Ids, in the order of the events.</param>
/// <param name="Passed">Events that the filter did not let through.</param>
public sealed record EventsAnswer(ImmutableArray<string> Invocations, int Passed);
