using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Events;

/// <summary>Identity of a trigger, never used again.</summary>
public readonly record struct TriggerId(Guid Value)
{
    public override string ToString() => Value.ToString("D");
}

/// <summary>What feeds an endpoint's queue: each event of a source becomes an asynchronous invocation. Its name is unique within its tenant.</summary>
public sealed record Trigger
{
    public const int BatchSizeMax = 1_000;

    public static readonly TimeSpan BatchWindowMax = TimeSpan.FromMinutes(5);

    public required TriggerId Id { get; init; }

    public required TenantId Tenant { get; init; }

    public required string Name { get; init; }

    /// <summary>Where events come from: <c>cron</c>, <c>http</c>, <c>folder</c> … What kinds there are is known outside Core.</summary>
    public required string Kind { get; init; }

    /// <summary>Name of the endpoint that runs; found anew for each event, so that it may be deployed anew.</summary>
    public required string Endpoint { get; init; }

    /// <summary>What its kind needs to know: a schedule, an address, a folder.</summary>
    public ImmutableSortedDictionary<string, string> Source { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>JSON text of an <see cref="EventPattern"/>; events that do not match are passed over. Null = every event.</summary>
    public string? Filter { get; init; }

    /// <summary>JSON text of an <see cref="EventTemplate"/> that makes the endpoint's input; null = the event's data as it is.</summary>
    public string? Input { get; init; }

    /// <summary>Most events of one invocation, 1 to <see cref="BatchSizeMax"/>. Default 1: the input is the event's. With more it is a JSON array.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>How long a batch waits for more events from its first on; 0 to <see cref="BatchWindowMax"/>.</summary>
    public TimeSpan BatchWindow { get; init; }

    public bool IsPaused { get; init; }

    /// <summary>Up to where its source was read, in words of its kind; null = nothing needs to be remembered.</summary>
    public string? Mark { get; init; }

    /// <summary>Invocations that it queued.</summary>
    public long Fired { get; init; }

    public InvocationId? LastInvocation { get; init; }

    public DateTimeOffset? LastFiredAt { get; init; }

    /// <summary>Why it could not go on when that was last so; null after it could.</summary>
    public string? LastError { get; init; }

    public DateTimeOffset? LastErrorAt { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>How far a trigger has come, stored in the transaction that queues what it fired.</summary>
/// <param name="Mark">See <see cref="Trigger.Mark"/>; null = as it was.</param>
public sealed record TriggerProgress(TriggerId Trigger, string? Mark, DateTimeOffset At);
