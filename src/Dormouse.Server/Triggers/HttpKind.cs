using System.Collections.Immutable;
using Dormouse.Core.Events;

namespace Dormouse.Server.Triggers;

/// <summary>CloudEvents that are posted to <c>/events/{trigger}</c>.</summary>
internal sealed class HttpKind : IEventSourceKind
{
    public const string KindName = "http";

    public string Name => KindName;

    public ImmutableArray<SourceKey> Keys => [];

    public bool IsPulled => false;

    public string? Fault(Trigger trigger) => trigger.BatchSize > 1 ? "'batch_size' must be 1 with events over HTTP: each is an invocation of its own, whose sender is told." : null;

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken) => throw new NotSupportedException("Events over HTTP are pushed.");
}
