using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Events;

/// <summary>Triggers. Each method is one transaction. What a trigger fired is stored by the queue, with its <see cref="TriggerProgress"/>.</summary>
public interface ITriggerStore
{
    /// <summary>Of every tenant.</summary>
    Task<ImmutableArray<Trigger>> AllAsync(CancellationToken cancellationToken);

    /// <summary>In order of name.</summary>
    Task<ImmutableArray<Trigger>> ListAsync(TenantId tenant, CancellationToken cancellationToken);

    Task<Trigger?> FindAsync(TenantId tenant, string name, CancellationToken cancellationToken);

    /// <summary>False when the tenant has one of that name.</summary>
    Task<bool> AddAsync(Trigger trigger, CancellationToken cancellationToken);

    /// <summary>Replaces it by what <paramref name="change"/> makes of it. Null when the tenant has none of that name.</summary>
    Task<Trigger?> ChangeAsync(TenantId tenant, string name, Func<Trigger, Trigger> change, CancellationToken cancellationToken);

    /// <summary>Returns what was removed; null when the tenant has none of that name.</summary>
    Task<Trigger?> RemoveAsync(TenantId tenant, string name, CancellationToken cancellationToken);

    /// <summary>Moves a trigger's mark without firing.</summary>
    Task MarkAsync(TriggerId trigger, string mark, CancellationToken cancellationToken);

    /// <summary>Why it cannot go on; null = it can again.</summary>
    Task ReportAsync(TriggerId trigger, string? error, DateTimeOffset at, CancellationToken cancellationToken);
}
